#include "metrics/train_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "core/error.h"
#include "core/json.h"
#include "temporary_directory.h"

namespace longhaul {
namespace {

using nlohmann::json;
using test::read_file;
using test::TemporaryDirectory;
using test::write_file;

StepMetrics step(std::int64_t number, double loss = 0.1) {
  StepMetrics metrics;
  metrics.step = number;
  metrics.total_steps = 100;
  metrics.loss = loss;
  return metrics;
}

std::vector<std::int64_t> steps_in(const std::filesystem::path& path) {
  std::vector<std::int64_t> steps;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) {
    steps.push_back(parse_json<json>(line).at("step").get<std::int64_t>());
  }
  return steps;
}

void write_steps(const std::filesystem::path& path, std::int64_t count) {
  TrainLog log(path, 0);
  for (std::int64_t i = 1; i <= count; ++i) log.write(step(i, 10.0 / static_cast<double>(i)));
}

TEST(TrainLog, DoublesReadBackBitForBit) {
  for (const double value : {0.1, 1.0 / 3.0, 11.930123456789012, 5e-324, 1.7976931348623157e308,
                             std::nextafter(2.0, 3.0), 123456789012345680.0}) {
    StepMetrics metrics = step(1, value);
    metrics.grad_norm = -value;
    const json line = parse_json<json>(train_log_line(metrics));
    EXPECT_EQ(line.at("loss").get<double>(), value);
    EXPECT_EQ(line.at("grad_norm").get<double>(), -value);
  }
}

TEST(TrainLog, TellsHowTheRanksSpread) {
  StepMetrics metrics = step(3);
  EXPECT_FALSE(parse_json<json>(train_log_line(metrics)).contains("slowest_rank"));
  metrics.spread = ComputeSpread{1.0, 2.5, 3, {}};
  json line = parse_json<json>(train_log_line(metrics));
  EXPECT_EQ(line.at("compute_seconds_median"), 1.0);
  EXPECT_EQ(line.at("compute_seconds_max"), 2.5);
  EXPECT_EQ(line.at("slowest_rank"), 3);
  EXPECT_FALSE(line.contains("stragglers"));
  metrics.spread->stragglers = {{3, "south", 2.5, 4}, {5, "west", 1.75, 1}};
  line = parse_json<json>(train_log_line(metrics));
  ASSERT_EQ(line.at("stragglers").size(), 2U);
  EXPECT_EQ(line["stragglers"][0],
            (json{{"rank", 3}, {"host", "south"}, {"ratio", 2.5}, {"steps", 4}}));
}

TEST(TrainLog, HasTheDocumentedKeys) {
  StepMetrics metrics = step(3);
  const json line = parse_json<json>(train_log_line(metrics));
  for (const char* key : {"step",
                          "loss",
                          "grad_norm",
                          "learning_rate",
                          "tokens",
                          "trained_tokens",
                          "tokens_per_second",
                          "model_tflops",
                          "mfu",
                          "step_seconds",
                          "consumed_samples",
                          "epoch",
                          "padding_share",
                          "data_seconds",
                          "forward_seconds",
                          "backward_seconds",
                          "communication_seconds",
                          "optimizer_seconds",
                          "checkpoint_seconds",
                          "memory_bytes",
                          "peak_memory_bytes",
                          "skipped"}) {
    EXPECT_TRUE(line.contains(key)) << key;
  }
  EXPECT_TRUE(line.at("mfu").is_null());
  EXPECT_FALSE(line.contains("eval_loss"));
  EXPECT_FALSE(line.contains("nonfinite"));
  metrics.eval_loss = 4.25;
  metrics.step_seconds = 1.0;
  metrics.model_flops = 1e12;
  metrics.peak_flops = 4e12;
  const json full = parse_json<json>(train_log_line(metrics));
  EXPECT_EQ(full.at("eval_loss"), 4.25);
  EXPECT_EQ(full.at("mfu"), 0.25);
}

TEST(TrainLog, NonFiniteNumbersAreNullAndNamed) {
  StepMetrics metrics = step(3, std::numeric_limits<double>::quiet_NaN());
  metrics.grad_norm = -std::numeric_limits<double>::infinity();
  metrics.skipped = true;
  const json line = parse_json<json>(train_log_line(metrics));
  EXPECT_TRUE(line.at("loss").is_null());
  EXPECT_EQ(line.at("nonfinite"), json({{"loss", "nan"}, {"grad_norm", "-inf"}}));
  EXPECT_EQ(line.at("skipped"), true);
}

TEST(TrainLog, NewRunBeginsAnEmptyLog) {
  const TemporaryDirectory folder;
  const auto path = folder / "train_log.jsonl";
  write_steps(path, 5);
  TrainLog log(path, 0);
  EXPECT_EQ(log.recovery().kept, 0);
  EXPECT_EQ(log.recovery().dropped, 5);
  log.write(step(1));
  EXPECT_EQ(steps_in(path), (std::vector<std::int64_t>{1}));
}

TEST(TrainLog, ResumeDropsLaterStepsOnly) {
  const TemporaryDirectory folder;
  const auto path = folder / "train_log.jsonl";
  write_steps(path, 8);
  const std::string before = read_file(path);
  TrainLog log(path, 5);
  EXPECT_EQ(log.recovery().kept, 5);
  EXPECT_EQ(log.recovery().dropped, 3);
  EXPECT_EQ(log.recovery().damaged, 0);
  EXPECT_EQ(log.recovery().missing, 0);
  EXPECT_EQ(log.recovery().losses, (std::vector<double>{10.0, 5.0, 10.0 / 3.0, 2.5, 2.0}));
  EXPECT_EQ(before.rfind(read_file(path), 0), 0U) << "kept lines stay as they were";
  log.write(step(6));
  log.write(step(7));
  EXPECT_EQ(steps_in(path), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7}));
}

TEST(TrainLog, TornLastLineIsRepairedAtEveryLength) {
  const TemporaryDirectory folder;
  const auto path = folder / "train_log.jsonl";
  write_steps(path, 3);
  const std::string whole = read_file(path);
  const std::size_t third = whole.rfind('\n', whole.size() - 2) + 1;
  for (std::size_t length = third + 1; length < whole.size(); length += 37) {
    write_file(path, whole.substr(0, length));
    TrainLog log(path, 2);
    EXPECT_EQ(log.recovery().damaged, 1) << length;
    EXPECT_EQ(log.recovery().kept, 2) << length;
    log.write(step(3));
    EXPECT_EQ(steps_in(path), (std::vector<std::int64_t>{1, 2, 3})) << length;
  }
}

TEST(TrainLog, LineThatLacksOnlyItsNewlineIsKept) {
  const TemporaryDirectory folder;
  const auto path = folder / "train_log.jsonl";
  write_steps(path, 3);
  const std::string whole = read_file(path);
  write_file(path, whole.substr(0, whole.size() - 1));
  TrainLog log(path, 3);
  EXPECT_EQ(log.recovery().kept, 3);
  EXPECT_EQ(read_file(path), whole);
}

TEST(TrainLog, LostLinesAreCounted) {
  const TemporaryDirectory folder;
  const auto path = folder / "train_log.jsonl";
  write_steps(path, 3);
  const TrainLog log(path, 5);
  EXPECT_EQ(log.recovery().kept, 3);
  EXPECT_EQ(log.recovery().missing, 2);
}

TEST(TrainLog, StepsWrittenTwiceAppearOnce) {
  const TemporaryDirectory folder;
  const auto path = folder / "train_log.jsonl";
  std::string text;
  for (const int number : {1, 2, 3, 2, 3, 4}) text += train_log_line(step(number)) + "\n";
  write_file(path, text);
  const TrainLog log(path, 4);
  EXPECT_EQ(steps_in(path), (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(log.recovery().dropped, 2);
}

TEST(TrainLog, LeavesNoTemporaryFileBehind) {
  const TemporaryDirectory folder;
  const auto path = folder / "train_log.jsonl";
  write_steps(path, 3);
  const TrainLog log(path, 1);
  EXPECT_FALSE(std::filesystem::exists(folder / "train_log.jsonl.tmp"));
}

TEST(TrainLog, MissingFolderIsNamed) {
  const TemporaryDirectory folder;
  const auto path = folder / "nowhere/train_log.jsonl";
  try {
    const TrainLog log(path, 0);
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("check the path"), std::string::npos) << error.what();
  }
}

TEST(TrainLog, WhatIsNoFileIsRefused) {
  const TemporaryDirectory folder;
  std::filesystem::create_directory(folder / "train_log.jsonl");
  EXPECT_THROW(TrainLog(folder / "train_log.jsonl", 0), UserError);
}

}  // namespace
}  // namespace longhaul
