// longhaul data where: answers are held against the schedule as training makes it.
#include "data/dataset/provenance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "core/error.h"
#include "data/batch_test_support.h"
#include "data/dataset/prepare_dataset.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::row_line;
using test::write_bytes;

class ProvenanceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string text;
    for (int i = 0; i < 50; ++i) {
      text +=
          row_line(fmt::format("row-{}", i), std::string(static_cast<std::size_t>(3 + i % 7), 'q'),
                   std::string(static_cast<std::size_t>(5 + i * 13 % 40), 'a')) +
          "\n";
    }
    text += "no JSON\n" + row_line("long", "q", std::string(300, 'x')) + "\n" +
            row_line("row-7", "the same id", "once more") + "\n" +
            R"({"messages": [{"role": "user", "content": "no id, no answer"}]})" + "\n";
    write_bytes(data(), text);
  }

  fs::path data() const { return folder_.path() / "rows.jsonl"; }
  fs::path save() const { return folder_.path() / "save"; }

  DatasetOptions options() const {
    DatasetOptions options;
    options.files = {data()};
    options.max_length = 100;
    options.truncation = TruncationStrategy::keep_end;
    options.save_dir = save();
    options.run = {
        .global_bs = 3, .micro_bs = 2, .epochs = 3, .layout = {.tp = 1, .cp = 2, .dp = 2}};
    return options;
  }

  Dataset prepare(const DatasetOptions& settings) const {
    const auto solo = make_solo_coordinator();
    return prepare_dataset(*solo, settings, test::byte_encoder(), Log(0, "host"));
  }

  static std::string complaint(const std::function<void()>& work) {
    try {
      work();
    } catch (const UserError& error) {
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }

  test::TemporaryDirectory folder_;
};

/// What training does: dataset -> packs -> schedule -> packs of each step.
void compare_with_training(const Dataset& dataset, const DatasetOptions& options,
                           const Provenance& run) {
  const std::vector<Pack> packs = dataset.training_packs();
  const StepSchedule schedule(packs, training_schedule(options.run, options.packing, options.seed));
  ASSERT_EQ(run.total_steps(), schedule.total_steps());
  ASSERT_EQ(run.packs(), static_cast<std::int64_t>(packs.size()));
  std::map<std::pair<std::string, std::int64_t>, std::vector<std::int64_t>> steps_of_row;
  for (std::int64_t step = 0; step < schedule.total_steps(); ++step) {
    const StepPlan plan = schedule.plan(step);
    const StepContents contents = run.step(step + 1);
    EXPECT_EQ(contents.epoch, plan.epoch + 1);
    ASSERT_EQ(contents.packs.size(), plan.packs.size());
    for (std::size_t i = 0; i < plan.packs.size(); ++i) {
      const Pack& pack = packs[static_cast<std::size_t>(plan.packs[i])];
      EXPECT_EQ(contents.packs[i].pack, plan.packs[i]);
      EXPECT_EQ(contents.packs[i].tokens, pack.tokens);
      ASSERT_EQ(contents.packs[i].rows.size(), pack.samples.size());
      for (std::size_t row = 0; row < pack.samples.size(); ++row) {
        const std::int64_t sample = pack.samples[row];
        const TrainedRow& found = contents.packs[i].rows[row];
        EXPECT_EQ(found.place.id, dataset.id(sample));
        EXPECT_EQ(found.place.line, dataset.source(sample).line);
        EXPECT_EQ(found.place.file, dataset.source(sample).file);
        EXPECT_EQ(found.tokens, dataset.length(sample));
        steps_of_row[{found.place.file, found.place.line}].push_back(step + 1);
      }
    }
  }
  for (std::int64_t sample = 0; sample < dataset.size(); ++sample) {
    const SampleSource source = dataset.source(sample);
    const auto rows = run.find(dataset.id(sample));
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const RowFate& fate) {
      return fate.place.line == source.line && fate.place.file == source.file;
    });
    ASSERT_NE(row, rows.end());
    std::vector<std::int64_t> steps;
    for (const PackContents& pack : row->packs) {
      steps.insert(steps.end(), pack.steps.begin(), pack.steps.end());
    }
    std::sort(steps.begin(), steps.end());
    EXPECT_EQ(steps, (steps_of_row[{source.file, source.line}])) << dataset.id(sample);
    const bool trained = row->use == SampleUse::training;
    const auto training = dataset.training();
    EXPECT_EQ(trained, std::binary_search(training.begin(), training.end(), sample));
    EXPECT_EQ(row->packs.empty(), !trained);
  }
}

TEST_F(ProvenanceTest, AgreesWithTraining) {
  std::vector<DatasetOptions> runs(6, options());
  runs[1].split_dataset_ratio = 0.2;
  runs[1].packing = PackingMode::balanced;
  runs[2].packing = PackingMode::one_sample;
  runs[2].run.train_iters = 5;  // in the first epoch
  runs[3].files[0].draw = 20;
  runs[3].seed = 3;
  runs[4].files[0].draw = 130;  // copies
  runs[4].run.epochs = {};
  runs[4].run.train_iters = 40;
  for (const char* copy : {"second.jsonl", "third.jsonl"}) {
    fs::copy_file(data(), folder_.path() / copy);
  }
  runs[5].files = {DataSource(data(), 10), folder_.path() / "second.jsonl"};
  runs[5].validation_files = {folder_.path() / "third.jsonl"};
  runs[5].truncation = TruncationStrategy::remove;
  for (const DatasetOptions& settings : runs) {
    const Dataset dataset = prepare(settings);
    compare_with_training(dataset, settings, Provenance(save()));
  }
}

TEST_F(ProvenanceTest, SaysWhatBecameOfARow) {
  prepare(options());
  const Provenance run(save());
  const auto same = run.find("row-7");
  ASSERT_EQ(same.size(), 2U);
  EXPECT_EQ(same[0].place.line, 8);
  EXPECT_EQ(same[1].place.line, 53);

  const auto cut = run.find("long");
  ASSERT_EQ(cut.size(), 1U);
  EXPECT_EQ(cut[0].length, 301);
  EXPECT_EQ(cut[0].kept, 100);
  EXPECT_EQ(cut[0].reason, "cut to the last 100 tokens");
  ASSERT_EQ(cut[0].packs.size(), 1U);
  EXPECT_EQ(cut[0].packs[0].steps.size(), 3U);  // one an epoch

  const auto broken = run.find("rows.jsonl:51");
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_EQ(broken[0].use, SampleUse::rejected);
  EXPECT_EQ(broken[0].length, -1);
  EXPECT_NE(broken[0].reason.find("not JSON"), std::string::npos);
  const auto silent = run.find("rows.jsonl:54");
  ASSERT_EQ(silent.size(), 1U);
  EXPECT_EQ(silent[0].reason, "no trained tokens");
  EXPECT_TRUE(run.find("nobody").empty());
  EXPECT_THROW(static_cast<void>(run.step(0)), UserError);
  EXPECT_THROW(static_cast<void>(run.step(run.total_steps() + 1)), UserError);
  EXPECT_THROW(static_cast<void>(run.pack(-1)), UserError);
  EXPECT_THROW(static_cast<void>(run.pack(run.packs())), UserError);
}

TEST_F(ProvenanceTest, ASaveDirectoryCanBeMovedAndTheDataMayBeGone) {
  const Dataset dataset = prepare(options());
  fs::remove(data());
  const fs::path moved = folder_.path() / "moved";
  fs::rename(save(), moved);
  compare_with_training(dataset, options(), Provenance(moved));
}

TEST_F(ProvenanceTest, WhatIsMissingOrDoesNotFitIsNamed) {
  const auto open = [&] { Provenance{save()}; };
  EXPECT_NE(complaint(open).find("data_report.json"), std::string::npos);
  prepare(options());
  const fs::path report = save() / "data_report.json";
  const std::string good = test::read_bytes(report);
  const auto damage = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    write_bytes(report, text.replace(at, from.size(), to));
    return complaint(open);
  };
  EXPECT_NE(damage("\"seed\": 42", "\"seed\": 43").find("other samples"), std::string::npos);
  EXPECT_NE(damage("\"version\": 1", "\"version\": 9").find("another version"), std::string::npos);
  EXPECT_NE(damage("\"token_cache_key\": \"", "\"token_cache_key\": \"0").find("made from other"),
            std::string::npos);
  EXPECT_NE(damage("\"max_length\": 100,\n    \"trunc", "\"max_length\": \"x\",\n    \"trunc")
                .find("damaged"),
            std::string::npos);
  EXPECT_NE(damage("\"max_length\": 100,\n    \"trunc", "\"max_length\": -1,\n    \"trunc")
                .find("out of range"),
            std::string::npos);
  EXPECT_NE(damage("\"dp\": 2\n    },\n    \"token", "\"dp\": 0\n    },\n    \"token")
                .find("out of range"),
            std::string::npos);
  write_bytes(report, good.substr(0, good.size() / 2));
  EXPECT_NE(complaint(open).find("is not a data report"), std::string::npos);
  write_bytes(report, good);
  for (const auto& entry : fs::directory_iterator(save() / "cache")) fs::remove(entry.path());
  EXPECT_NE(complaint(open).find("tokens_"), std::string::npos);
}

}  // namespace
}  // namespace longhaul
