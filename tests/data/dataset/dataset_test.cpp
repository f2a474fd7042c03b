#include "data/dataset/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <random>

#include "comm/mpi_runtime.h"
#include "data/batch_test_support.h"
#include "data/dataset/prepare_dataset.h"
#include "data/dataset/streamed_report.h"
#include "data/dataset_test_support.h"
#include "data/json/json_parse.h"
#include "data/json/json_print.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::byte_encoder;
using test::read_bytes;
using test::row_line;
using test::TemporaryDirectory;
using test::write_bytes;

/// All ranks in one folder that rank 0 made, with data files of good and bad rows.
class DatasetTest : public testing::Test {
 protected:
  void SetUp() override {
    coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
    log_ = std::make_unique<Log>(coordinator_->rank(), coordinator_->host());
    folder_ = coordinator_->broadcast(own_.path().string(), 0);
    if (first()) {
      write_bytes(folder_ / "a.jsonl", good_and_bad_rows());
      write_bytes(folder_ / "b.jsonl", row_line("b-1", "hi", "hello") + "\n" +
                                           row_line("b-2", "long", std::string(150, 'z')) + "\n");
    }
    coordinator_->barrier();
  }
  void TearDown() override { coordinator_->barrier(); }

  [[nodiscard]] bool first() const { return coordinator_->rank() == 0; }

  /// 60 good rows of 8 .. 90 tokens, and nine that cannot be used.
  static std::string good_and_bad_rows() {
    std::mt19937_64 random(4);
    std::string text;
    for (int i = 0; i < 60; ++i) {
      text += row_line(fmt::format("a-{}", i), std::string(4 + random() % 40, 'q'),
                       std::string(4 + random() % 46, 'w')) +
              (i % 7 == 0 ? "\r\n" : "\n");
      if (i % 20 == 10) {
        text += "this is no JSON\n\n";
        text += R"({"id": "odd", "messages": [{"role": "wizard", "content": "x"}]})"
                "\n";
        text += R"({"id": "silent", "messages": [{"role": "user", "content": "nobody answers"}]})"
                "\n";
      }
    }
    return text;
  }

  DatasetOptions options() const {
    DatasetOptions options;
    options.files = {folder_ / "a.jsonl", folder_ / "b.jsonl"};
    options.max_length = 100;
    options.save_dir = folder_ / "save";
    options.threads = 2;
    options.block_bytes = 700;  // many blocks for few rows
    return options;
  }

  Dataset prepare(const DatasetOptions& settings) {
    return prepare_dataset(*coordinator_, settings, byte_encoder(), *log_);
  }

  /// The text of the error that all ranks get.
  std::string complaint(const DatasetOptions& settings, const SampleEncoder& encoder) {
    try {
      prepare_dataset(*coordinator_, settings, encoder, *log_);
    } catch (const CollectiveError& error) {
      EXPECT_EQ(error.exit_code(), kExitUserError) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }
  std::string complaint(const DatasetOptions& settings) {
    return complaint(settings, byte_encoder());
  }

  /// The caches in a folder.
  static std::vector<fs::path> caches(const fs::path& folder) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder)) found.push_back(entry.path());
    return found;
  }

  /// An encoder that counts how many rows it saw.
  static SampleEncoder counting_encoder(std::atomic<int>& rows) {
    SampleEncoder encoder = byte_encoder();
    encoder.encode = [inner = encoder.encode, &rows](const Row& row, RowEncoder::Scratch& scratch) {
      ++rows;
      return inner(row, scratch);
    };
    return encoder;
  }

  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<Log> log_;
  TemporaryDirectory own_;
  fs::path folder_;
};

TEST_F(DatasetTest, EveryRowIsAccountedFor) {
  const Dataset dataset = prepare(options());
  EXPECT_EQ(dataset.counts().read, 71);
  EXPECT_EQ(dataset.counts().kept, 61);
  EXPECT_EQ(dataset.counts().rejected, 10);  // nine, and one that is too long
  EXPECT_EQ(dataset.counts().cut, 0);
  EXPECT_EQ(dataset.size(), 62);
  EXPECT_EQ(dataset.training().size(), 61U);
  EXPECT_TRUE(dataset.validation().empty());
  EXPECT_EQ(dataset.length(61), 0);  // b-2

  const EncodedSample sample = test::load_sample(dataset, 60);
  EXPECT_EQ(dataset.id(60), "b-1");
  EXPECT_EQ(dataset.source(60).file, (folder_ / "b.jsonl").string());
  EXPECT_EQ(dataset.source(60).line, 1);
  EXPECT_EQ(sample.tokens, (std::vector<std::int32_t>{'h', 'i', 'h', 'e', 'l', 'l', 'o'}));
  EXPECT_EQ(sample.weights, (std::vector<float>{0, 0, 1, 1, 1, 1, 1}));
  EXPECT_EQ(dataset.source(59).line, 72);  // three blank and nine bad lines before it

  if (!first()) return;
  std::map<std::string, int> reasons;
  LineReader reader(folder_ / "save" / "rejected.jsonl");
  LineReader::Line line;
  while (reader.next(line)) {
    const JsonValue row = parse_json(line.text);
    ++reasons[row.get("reason").text()];
    if (row.get("id").is_string() && row.get("id").text() == "b-2") {
      EXPECT_EQ(row.get("length").number(), 154);
      EXPECT_EQ(row.get("line").number(), 2);
      EXPECT_EQ(row.get("file").text(), (folder_ / "b.jsonl").string());
    }
  }
  EXPECT_EQ(reasons["no trained tokens"], 3);
  EXPECT_EQ(reasons["longer than max_length 100"], 1);
  int others = 0;
  for (const auto& [reason, count] : reasons) others += count;
  EXPECT_EQ(others, 10);
}

TEST_F(DatasetTest, OneRankAndSeveralWriteTheSameCacheBytes) {
  prepare(options());
  if (!first()) return;
  const auto solo = make_solo_coordinator();
  DatasetOptions alone = options();
  alone.save_dir = folder_ / "alone";
  alone.threads = 1;
  prepare_dataset(*solo, alone, byte_encoder(), *log_);
  const auto together = caches(folder_ / "save" / "cache");
  const auto single = caches(folder_ / "alone" / "cache");
  ASSERT_EQ(together.size(), 1U);
  ASSERT_EQ(single.size(), 1U);
  EXPECT_EQ(together[0].filename(), single[0].filename());
  EXPECT_EQ(read_bytes(together[0]), read_bytes(single[0]));
  EXPECT_EQ(read_bytes(folder_ / "save" / "rejected.jsonl"),
            read_bytes(folder_ / "alone" / "rejected.jsonl"));
}

TEST_F(DatasetTest, ASecondRunTokenizesNothing) {
  const std::string identity = prepare(options()).describe_identity();
  std::atomic<int> rows = 0;
  const Dataset again = prepare_dataset(*coordinator_, options(), counting_encoder(rows), *log_);
  EXPECT_EQ(rows, 0);
  EXPECT_EQ(again.describe_identity(), identity);
  EXPECT_EQ(again.counts().rejected, 10);
  // The length policy is not part of the cache.
  DatasetOptions longer = options();
  longer.max_length = 1000;
  EXPECT_EQ(prepare_dataset(*coordinator_, longer, counting_encoder(rows), *log_).counts().kept,
            62);
  EXPECT_EQ(rows, 0);
}

TEST_F(DatasetTest, OtherDataOrAnotherEncoderIsTokenizedAnew) {
  prepare(options());
  std::atomic<int> rows = 0;
  SampleEncoder other = counting_encoder(rows);
  other.fingerprint = "bytes 2";
  prepare_dataset(*coordinator_, options(), other, *log_);
  EXPECT_GT(coordinator_->sum(rows), 0);
  rows = 0;
  if (first()) {
    std::string text = read_bytes(folder_ / "b.jsonl");
    text[text.find("hello")] = 'j';  // the same size
    write_bytes(folder_ / "b.jsonl", text);
  }
  coordinator_->barrier();
  const Dataset changed = prepare_dataset(*coordinator_, options(), counting_encoder(rows), *log_);
  EXPECT_GT(coordinator_->sum(rows), 0);
  EXPECT_EQ(test::load_sample(changed, 60).tokens[2], 'j');
}

TEST_F(DatasetTest, ADamagedCacheIsRebuilt) {
  prepare(options());
  std::string good;
  fs::path file;
  if (first()) {
    file = caches(folder_ / "save" / "cache").at(0);
    good = read_bytes(file);
  }
  for (const bool truncate : {false, true}) {
    if (first()) {
      std::string bad = good;
      // The question of row a-0, as little-endian int32 tokens.
      const std::size_t at = bad.find(std::string("q\0\0\0q\0\0\0", 8));
      ASSERT_NE(at, std::string::npos);
      bad[at] = 'x';
      write_bytes(file, truncate ? good.substr(0, good.size() / 2) : bad);
    }
    coordinator_->barrier();
    std::atomic<int> rows = 0;
    prepare_dataset(*coordinator_, options(), counting_encoder(rows), *log_);
    EXPECT_GT(coordinator_->sum(rows), 0);
    if (first()) {
      EXPECT_EQ(read_bytes(file), good);
    }
    coordinator_->barrier();
  }
}

TEST_F(DatasetTest, PacksAndTheirDocuments) {
  const Dataset dataset = prepare(options());
  const std::vector<Pack> packs = dataset.training_packs();
  std::int64_t tokens = 0;
  for (const Pack& pack : packs) {
    EXPECT_LE(pack.tokens, 100);
    tokens += pack.tokens;
  }
  EXPECT_EQ(tokens, dataset.training_tokens());
  const std::vector<std::int64_t> numbers = {1, 0};
  DocumentBuffer buffer;
  dataset.load_packs(packs, numbers, buffer);
  std::size_t next = 0;
  for (const std::int64_t number : numbers) {
    for (const std::int64_t member : packs[static_cast<std::size_t>(number)].samples) {
      const EncodedSample sample = test::load_sample(dataset, member);
      const Document& document = buffer.documents.at(next++);
      EXPECT_EQ(std::vector(document.tokens, document.tokens + document.length), sample.tokens);
      EXPECT_EQ(std::vector(document.weights, document.weights + document.length), sample.weights);
    }
  }
  EXPECT_EQ(next, buffer.documents.size());
  DatasetOptions single = options();
  single.packing = PackingMode::one_sample;
  EXPECT_EQ(prepare(single).training_packs().size(), 61U);
}

TEST_F(DatasetTest, CutSamples) {
  DatasetOptions cutting = options();
  cutting.truncation = TruncationStrategy::keep_end;
  const Dataset left = prepare(cutting);
  EXPECT_EQ(left.counts().kept, 62);
  EXPECT_EQ(left.counts().cut, 1);
  EncodedSample sample = test::load_sample(left, 61);
  EXPECT_EQ(sample.tokens, std::vector<std::int32_t>(100, 'z'));
  EXPECT_EQ(sample.weights[0], 0.0F);
  EXPECT_EQ(sample.weights[1], 1.0F);
  DocumentBuffer buffer;
  Pack pack;
  pack.samples = {60, 61};
  left.load_packs({&pack, 1}, std::vector<std::int64_t>{0}, buffer);
  EXPECT_EQ(buffer.documents[1].length, 100);
  EXPECT_EQ(buffer.documents[1].weights[0], 0.0F);
  EXPECT_EQ(buffer.documents[1].weights[99], 1.0F);

  cutting.truncation = TruncationStrategy::keep_begin;
  const Dataset right = prepare(cutting);
  sample = test::load_sample(right, 61);
  EXPECT_EQ(sample.tokens.size(), 100U);
  EXPECT_EQ(sample.tokens[0], 'l');
  const auto rows = right.unkept_rows();
  EXPECT_EQ(rows.back().reason, "cut to the first 100 tokens");
  EXPECT_EQ(rows.back().id, "b-2");
  EXPECT_EQ(rows.back().length, 154);

  // Three tokens are not enough to reach an answer.
  cutting.max_length = 3;
  cutting.files = {folder_ / "b.jsonl"};
  EXPECT_EQ(prepare(cutting).counts().kept, 1);
  EXPECT_EQ(prepare(cutting).unkept_rows().back().reason, "no trained tokens among the first 3");
}

TEST_F(DatasetTest, TooLongSamplesCanBeAnError) {
  DatasetOptions strict = options();
  strict.truncation = TruncationStrategy::stop;
  const std::string text = complaint(strict);
  EXPECT_NE(text.find("b.jsonl:2: row \"b-2\" has 154 tokens"), std::string::npos) << text;
  EXPECT_NE(text.find("1 of 71 rows"), std::string::npos) << text;
}

TEST_F(DatasetTest, StrictStopsAtTheFirstRejectedRowAlsoWithACache) {
  DatasetOptions strict = options();
  strict.rejections = RejectionPolicy::stop;
  const std::string text = complaint(strict);
  EXPECT_NE(text.find("a.jsonl:12: not JSON"), std::string::npos) << text;
  if (first()) {  // no half-written cache
    EXPECT_TRUE(caches(folder_ / "save" / "cache").empty());
  }
  coordinator_->barrier();
  prepare(options());
  EXPECT_EQ(complaint(strict), text);
}

TEST_F(DatasetTest, SplitAndValidationFiles) {
  DatasetOptions split = options();
  split.split_dataset_ratio = 0.1;
  const Dataset dataset = prepare(split);
  EXPECT_EQ(dataset.validation().size(), 6U);
  EXPECT_EQ(dataset.training().size(), 55U);
  EXPECT_EQ(dataset.validation_packs().empty(), false);

  DatasetOptions separate = options();
  separate.files = {folder_ / "a.jsonl"};
  separate.validation_files = {folder_ / "b.jsonl"};
  separate.split_dataset_ratio = 0.5;  // not used then
  const Dataset two = prepare(separate);
  EXPECT_EQ(two.training().size(), 60U);
  ASSERT_EQ(two.validation().size(), 1U);
  EXPECT_EQ(two.id(two.validation()[0]), "b-1");
  EXPECT_EQ(two.counts().read, 71);
}

TEST_F(DatasetTest, NothingLeftToTrainOnIsAnErrorWithReasons) {
  DatasetOptions none = options();
  none.max_length = 3;
  const std::string text = complaint(none);
  EXPECT_NE(text.find("71 rows read, 71 rejected"), std::string::npos) << text;
  EXPECT_NE(text.find("62 x longer than max_length 3"), std::string::npos) << text;
  EXPECT_NE(text.find("rejected.jsonl"), std::string::npos) << text;

  if (first()) write_bytes(folder_ / "blank.jsonl", "\n  \n\n");
  coordinator_->barrier();
  DatasetOptions blank = options();
  blank.files = {folder_ / "blank.jsonl"};
  EXPECT_NE(complaint(blank).find("only blank lines"), std::string::npos);
}

TEST_F(DatasetTest, BadFilesAndFoldersAreNamed) {
  DatasetOptions bad = options();
  bad.files = {folder_ / "a.jsonl", folder_ / "absent.jsonl"};
  EXPECT_NE(complaint(bad).find("absent.jsonl: cannot be found"), std::string::npos);
  bad.files = {folder_};
  EXPECT_NE(complaint(bad).find("is a directory"), std::string::npos);
  bad.files.clear();
  EXPECT_NE(complaint(bad).find("--dataset"), std::string::npos);
  bad = options();
  bad.split_dataset_ratio = 1.5;
  EXPECT_NE(complaint(bad).find("--split_dataset_ratio 1.5"), std::string::npos);
  bad = options();
  bad.max_length = 0;
  EXPECT_NE(complaint(bad).find("--max_length 0"), std::string::npos);
  bad = options();
  bad.token_cache_dir = folder_ / "a.jsonl" / "cache";
  EXPECT_NE(complaint(bad).find("--token_cache_dir"), std::string::npos);
}

TEST_F(DatasetTest, RowsThatTheEncoderRefusesAreListed) {
  if (first()) {
    write_bytes(folder_ / "c.jsonl",
                row_line("c-1", "REFUSE", "x") + "\n" + row_line("c-2", "ok", "fine") + "\n");
  }
  coordinator_->barrier();
  DatasetOptions refused = options();
  refused.files = {folder_ / "c.jsonl"};
  const Dataset dataset = prepare(refused);
  ASSERT_EQ(dataset.unkept_rows().size(), 1U);
  EXPECT_EQ(dataset.unkept_rows()[0].reason, "the template refuses content \"REFUSE\"");
  EXPECT_EQ(dataset.unkept_rows()[0].id, "c-1");
  EXPECT_EQ(dataset.unkept_rows()[0].line, 1);
}

TEST_F(DatasetTest, IdentityNamesWhatDiffers) {
  const JsonValue base = parse_json(prepare(options()).describe_identity());
  const auto differing = [&](const DatasetOptions& settings) {
    const JsonValue other = parse_json(prepare(settings).describe_identity());
    std::vector<std::string> keys;
    for (const char* key : {"files", "encoder", "max_length", "truncation_strategy", "packing",
                            "split_dataset_ratio", "seed", "samples"}) {
      EXPECT_FALSE(base.get(key).is_undefined()) << key;
      if (to_json(base.get(key)) != to_json(other.get(key))) keys.emplace_back(key);
    }
    return keys;
  };
  using Keys = std::vector<std::string>;
  EXPECT_EQ(differing(options()), Keys{});
  DatasetOptions other = options();
  other.max_length = 120;
  EXPECT_EQ(differing(other), Keys{"max_length"});
  other = options();
  other.seed = 1;
  EXPECT_EQ(differing(other), Keys{"seed"});
  other = options();
  other.packing = PackingMode::one_sample;
  EXPECT_EQ(differing(other), Keys{"packing"});
  other.packing = PackingMode::balanced;
  EXPECT_EQ(differing(other), Keys{"packing"});
  other = options();
  other.files[0].draw = 7;
  EXPECT_EQ(differing(other), (Keys{"files", "samples"}));
  other.files[0].draw = 60;  // each row once, as without a draw; another number would not be
  EXPECT_EQ(differing(other), Keys{"files"});
  other = options();
  other.files.pop_back();
  EXPECT_EQ(differing(other), (Keys{"files", "samples"}));
  EXPECT_NE(prepare(other).fingerprint(), prepare(options()).fingerprint());
}

TEST_F(DatasetTest, DrawsTakeNoTokenizingAndAreCounted) {
  prepare(options());
  DatasetOptions drawn = options();
  drawn.files[0].draw = 7;
  std::atomic<int> rows = 0;
  const Dataset dataset = prepare_dataset(*coordinator_, drawn, counting_encoder(rows), *log_);
  EXPECT_EQ(rows, 0);
  EXPECT_EQ(dataset.training().size(), 7U + 1U);
  EXPECT_EQ(dataset.counts().read, dataset.counts().kept + dataset.counts().rejected);
  EXPECT_EQ(dataset.counts().kept, 61);
  EXPECT_EQ(dataset.counts().not_drawn, 53);
  EXPECT_EQ(dataset.unkept_rows().size(), 10U);
  drawn.files[0].draw = 130;
  EXPECT_EQ(prepare(drawn).training().size(), 130U + 1U);
  EXPECT_EQ(prepare(drawn).counts().copies, 70);
}

TEST_F(DatasetTest, TheReportAddsUp) {
  DatasetOptions settings = options();
  settings.truncation = TruncationStrategy::keep_end;
  settings.split_dataset_ratio = 0.1;
  settings.run.global_bs = 4;
  settings.run.epochs = 3;
  settings.files[0].draw = 50;
  const Dataset dataset = prepare(settings);
  const DataReport report = dataset.report();
  ASSERT_EQ(report.files.size(), 2U);
  EXPECT_EQ(report.files[0].file, (folder_ / "a.jsonl").string() + "#50");
  EXPECT_EQ(report.files[0].rows.read, 69);
  EXPECT_EQ(report.files[0].rows.kept, 60);
  EXPECT_EQ(report.files[0].rows.rejected, 9);
  EXPECT_EQ(report.files[0].rows.not_drawn, 10);
  EXPECT_EQ(report.files[1].rows.read, 2);
  EXPECT_EQ(report.files[1].rows.cut, 1);
  EXPECT_EQ(report.total.rows.read, dataset.counts().read);
  EXPECT_EQ(report.total.rows.not_drawn, dataset.counts().not_drawn);
  EXPECT_EQ(report.cut, (std::map<std::string, std::int64_t>{{"cut to the last 100 tokens", 1}}));
  std::int64_t rejected = 0;
  for (const auto& [reason, count] : report.rejected) rejected += count;
  EXPECT_EQ(rejected, 9);
  EXPECT_EQ(report.rejected.at("no trained tokens"), 3);

  // What the report counts without tokens is what training gets.
  for (const bool validation : {false, true}) {
    const UsedSamples& used = validation ? report.validation : report.training;
    UsedSamples expected;
    for (const std::int64_t number : validation ? dataset.validation() : dataset.training()) {
      const EncodedSample sample = test::load_sample(dataset, number);
      ++expected.samples;
      expected.tokens += static_cast<std::int64_t>(sample.tokens.size());
      expected.trained_tokens += sample.trained_tokens();
    }
    EXPECT_EQ(used.samples, expected.samples);
    EXPECT_EQ(used.tokens, expected.tokens);
    EXPECT_EQ(used.trained_tokens, expected.trained_tokens);
    EXPECT_EQ(used.weight_sum, static_cast<double>(expected.trained_tokens));
  }
  EXPECT_FALSE(report.weighted);
  std::int64_t rows = 0;
  for (const LengthBin& bin : report.lengths) rows += bin.rows;
  EXPECT_EQ(rows, 62);
  ASSERT_TRUE(report.longest.has_value());
  EXPECT_EQ(report.longest->length, 154);
  EXPECT_EQ(report.longest->place.id, "b-2");
  EXPECT_EQ(report.duplicate_ids, 0);
  const auto packs = dataset.training_packs();
  EXPECT_EQ(report.packs.training, static_cast<std::int64_t>(packs.size()));
  EXPECT_EQ(report.steps.per_epoch, (report.packs.training + 3) / 4);
  EXPECT_EQ(report.steps.total, 3 * report.steps.per_epoch);
  EXPECT_EQ(report.steps.balance.tokens, report.training.tokens);

  if (!first()) return;
  const JsonValue json = parse_json(read_bytes(folder_ / "save" / "data_report.json"));
  EXPECT_EQ(json.get("rows").get("read").number(), 71);
  EXPECT_EQ(json.get("training").get("tokens").number(),
            static_cast<double>(report.training.tokens));
}

TEST_F(DatasetTest, AStreamedReportIsTheSame) {
  if (first()) {
    write_bytes(folder_ / "same.jsonl",
                row_line("a-3", "again", "the id of another row") + "\n" +
                    R"({"id": "w", "messages": [{"role": "user", "content": "x"}, )" +
                    R"({"role": "assistant", "content": "half", "loss": 0.5}]})" + "\n");
  }
  coordinator_->barrier();
  for (const auto strategy :
       {TruncationStrategy::remove, TruncationStrategy::keep_end, TruncationStrategy::keep_begin}) {
    DatasetOptions settings = options();
    settings.truncation = strategy;
    settings.validation_files = {folder_ / "same.jsonl"};
    settings.run.global_bs = 8;
    const DataReport cached = prepare(settings).report();
    const DataReport streamed = stream_data_report(*coordinator_, settings, byte_encoder(), *log_);
    if (!first()) continue;
    EXPECT_EQ(data_report_json(streamed, ""), data_report_json(cached, ""));
    EXPECT_EQ(data_report_table(streamed, Charset::ascii),
              data_report_table(cached, Charset::ascii));
    EXPECT_TRUE(streamed.weighted);
    EXPECT_EQ(
        streamed.validation.weight_sum - static_cast<double>(streamed.validation.trained_tokens),
        -2.0);
    EXPECT_EQ(streamed.duplicate_ids, 1);
    ASSERT_EQ(streamed.duplicates.size(), 1U);
    EXPECT_EQ(streamed.duplicates[0].id, "a-3");
    EXPECT_EQ(streamed.duplicates[0].again.line, 1);
    EXPECT_NE(data_report_table(cached, Charset::ascii).find("same id"), std::string::npos);
  }
}

}  // namespace
}  // namespace longhaul
