#include "metrics/console.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>

namespace longhaul {
namespace {

/// A console that writes into memory, with a clock that the test moves.
class ConsoleTest : public testing::Test {
 protected:
  ~ConsoleTest() override {
    console_.reset();
    if (out_ != nullptr) std::fclose(out_);
    std::free(buffer_);  // NOLINT: open_memstream's buffer
  }

  Console& open(ConsoleMode mode, std::int64_t log_interval = 1, int width = 80,
                ConsoleColor color = ConsoleColor::off, Charset charset = Charset::ascii) {
    out_ = open_memstream(&buffer_, &size_);
    console_.emplace(out_, ConsoleStyle{mode, color, charset, width}, log_interval);
    console_->set_clock([this] { return time_; });
    return *console_;
  }

  StepMetrics step(std::int64_t number, double seconds = 2.0) {
    StepMetrics m;
    m.step = number;
    m.total_steps = 60;
    m.loss = 12.0 - 0.1 * static_cast<double>(number);
    m.grad_norm = 1.25;
    m.learning_rate = 1.5e-3;
    m.tokens = 24690;
    m.padding_tokens = 310;
    m.step_seconds = seconds;
    m.model_flops = 90e9;
    time_ += seconds;
    return m;
  }

  std::string text() {
    std::fflush(out_);
    return {buffer_, size_};
  }

  std::vector<std::string> lines() {
    std::vector<std::string> result;
    std::istringstream stream(text());
    for (std::string line; std::getline(stream, line);) result.push_back(line);
    return result;
  }

  double time_ = 100.0;
  char* buffer_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* out_ = nullptr;
  std::optional<Console> console_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(ConsoleTest, PlainOutputIsOneAlignedLineAStep) {
  Console& console = open(ConsoleMode::plain, /*log_interval=*/10);
  console.step(step(1));
  console.step(step(2));
  const auto all = lines();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(
      all[0],
      " step      loss  grad norm        lr   tok/s  GFLOP/s  padding  step time    time left");
  EXPECT_EQ(
      all[1],
      " 1/60   11.9000      1.250  1.50e-03   12.3k     45.0    1.2 %     2.00 s   1 min 58 s");
  EXPECT_EQ(all[2].size(), all[0].size());
  EXPECT_FALSE(contains(text(), "\r"));
  EXPECT_FALSE(contains(text(), "\x1b"));
}

TEST_F(ConsoleTest, HeaderIsRepeated) {
  Console& console = open(ConsoleMode::plain);
  for (int i = 1; i <= 51; ++i) console.step(step(i));
  const auto all = lines();
  const auto headers = std::count_if(all.begin(), all.end(),
                                     [](const auto& line) { return contains(line, "grad norm"); });
  EXPECT_EQ(headers, 3);
}

TEST_F(ConsoleTest, ColumnsForKnownPeakAndMemoryAppear) {
  Console& console = open(ConsoleMode::plain);
  StepMetrics m = step(1);
  m.model_flops = 2 * 389e12;
  m.peak_flops = 989e12;
  m.peak_memory_bytes = std::int64_t{70} << 30;
  console.step(m);
  EXPECT_TRUE(contains(text(), "TFLOP/s"));
  EXPECT_TRUE(contains(text(), "389.0"));
  EXPECT_TRUE(contains(text(), "39.3 %"));
  EXPECT_TRUE(contains(text(), "70.0 GiB"));
  EXPECT_EQ(lines()[0].size(), lines()[1].size());
}

TEST_F(ConsoleTest, LiveStatusStaysInsideEveryWidth) {
  for (const int width : {1, 10, 24, 40, 63, 80, 200}) {
    for (const Charset charset : {Charset::ascii, Charset::utf8}) {
      Console& console =
          open(ConsoleMode::live, /*log_interval=*/100, width, ConsoleColor::off, charset);
      console.step(step(30));
      std::string status = text();
      EXPECT_EQ(status.rfind("\r\x1b[2K", 0), 0U);
      EXPECT_FALSE(contains(status, "\n"));
      EXPECT_LT(display_width(status.substr(5)), static_cast<std::size_t>(std::max(width, 2)));
      if (width >= 63) {
        EXPECT_TRUE(contains(status, "50 %  30/60  loss 9.0000  1 min 00 s left")) << status;
      }
      console_.reset();
      std::fclose(std::exchange(out_, nullptr));
      std::free(std::exchange(buffer_, nullptr));  // NOLINT
    }
  }
}

TEST_F(ConsoleTest, LiveKeepsALineEveryInterval) {
  Console& console = open(ConsoleMode::live, /*log_interval=*/20);
  for (int i = 1; i <= 60; ++i) console.step(step(i));
  const auto all = lines();
  const auto kept = std::count_if(all.begin(), all.end(),
                                  [](const auto& line) { return contains(line, "1.50e-03  "); });
  EXPECT_EQ(kept, 3);
  const std::string last = text().substr(text().rfind('\r'));
  EXPECT_EQ(last.rfind("\r\x1b[2K60/60 ", 0), 0U) << "no status is left at the end: " << last;
  EXPECT_EQ(last.back(), '\n');
}

TEST_F(ConsoleTest, StatusBelowAPermanentLineIsOfTheSameStep) {
  Console& console = open(ConsoleMode::live, /*log_interval=*/2);
  console.step(step(1, 0.01));
  const std::size_t before = text().size();
  console.step(step(2, 0.01));  // too soon for a redraw of its own
  const std::string added = text().substr(before);
  EXPECT_TRUE(contains(added.substr(added.rfind('\r')), "2/60")) << added;
}

TEST_F(ConsoleTest, LiveDoesNotRedrawFasterThanOneSees) {
  Console& console = open(ConsoleMode::live, /*log_interval=*/1000);
  for (int i = 1; i <= 50; ++i) console.step(step(i, 0.01));  // half a second in all
  const std::string all = text();
  std::size_t draws = 0;
  for (std::size_t at = all.find('\r'); at != std::string::npos; at = all.find('\r', at + 1))
    ++draws;
  EXPECT_GE(draws, 4U);
  EXPECT_LE(draws, 6U);
}

TEST_F(ConsoleTest, MessagesGoAboveTheStatus) {
  Console& console = open(ConsoleMode::live, /*log_interval=*/100);
  console.step(step(1));
  const std::size_t before = text().size();
  console.message("row 7 was rejected");
  const std::string added = text().substr(before);
  EXPECT_EQ(added.rfind("\r\x1b[2Krow 7 was rejected\n\r\x1b[2K", 0), 0U);
  EXPECT_TRUE(contains(added.substr(26), "1/60"));
}

TEST_F(ConsoleTest, SkippedStepsStandOutAndAreCounted) {
  Console& console = open(ConsoleMode::plain);
  console.step(step(1));
  StepMetrics m = step(2);
  m.loss = std::numeric_limits<double>::quiet_NaN();
  m.skipped = true;
  console.step(m);
  EXPECT_TRUE(contains(lines()[2], "nan"));
  EXPECT_TRUE(contains(lines()[2], "skipped: not finite"));
  console.closing({});
  EXPECT_TRUE(contains(text(), "1 step whose loss or gradient was not finite"));
  EXPECT_TRUE(contains(text(), "11.9000 -> 11.9000")) << "the last finite loss";
}

TEST_F(ConsoleTest, EvaluationsAndCheckpointsHaveTheirOwnLines) {
  Console& console = open(ConsoleMode::plain);
  console.evaluation({20, 4.5, 6, 1234, 0.8});
  console.evaluation({40, 4.25, 6, 1234, 0.8});
  console.checkpoint({40, "out/step_00000040", std::int64_t{123} << 20, 0.52, 0.03, 0.02});
  const auto all = lines();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0],
            "      evaluation after step 20: loss 4.5000, 6 samples, 1,234 trained tokens, 0.80 s");
  EXPECT_TRUE(contains(all[1], "loss 4.2500 (-0.2500)"));
  EXPECT_EQ(all[2],
            "      checkpoint of step 40: out/step_00000040 (123 MiB in 0.52 s, training waited "
            "0.03 s, of which 0.02 s for the copy)");
}

TEST_F(ConsoleTest, ColorIsUsedOnlyWhenAsked) {
  Console& console = open(ConsoleMode::live, 1, 80, ConsoleColor::on);
  console.checkpoint({40, "x", 1, 0.5, 0.0, 0.0});
  EXPECT_TRUE(contains(text(), "\x1b[32m"));
}

TEST_F(ConsoleTest, OpeningTellsEveryFactGiven) {
  Console& console = open(ConsoleMode::plain);
  RunOverview o;
  o.version = "0.1.0";
  o.model = "Qwen3, 3 layers";
  o.model_path = "quick/model";
  o.parameters = 20123456;
  o.layout = "TP 2 x CP 2 x DP 1 on 4 ranks";
  o.dataset = "rows.jsonl";
  o.rows_read = 80;
  o.rows_rejected = 2;
  o.rejected_path = "out/rejected.jsonl";
  o.train_samples = 74;
  o.validation_samples = 4;
  o.train_tokens = 50000;
  o.trained_tokens = 10000;
  o.packs = 25;
  o.max_length = 2048;
  o.global_batch = 8;
  o.micro_batch = 1;
  o.total_steps = 60;
  o.epochs = 2.5;
  o.resume_step = 30;
  o.extra = {{"resumed from", "out/step_00000030"}};
  console.opening(o);
  for (const char* part :
       {"Longhaul 0.1.0", "Qwen3, 3 layers (quick/model)", "20,123,456 (20.1M)",
        "rows.jsonl: 80 rows read, 2 rejected (listed in out/rejected.jsonl), 74 for training, 4 "
        "for "
        "evaluation",
        "50,000 tokens, 10,000 trained on (20 %), 25 packs of up to 2,048 tokens",
        "60 steps of 8 packs (micro-batch 1), 2.5 epochs; resumed after step 30",
        "resumed from  out/step_00000030"}) {
    EXPECT_TRUE(contains(text(), part)) << part << "\n" << text();
  }
  EXPECT_FALSE(contains(text(), "backend")) << "nothing was said about it";
}

TEST_F(ConsoleTest, ClosingSumsUpTheWholeRun) {
  Console& console = open(ConsoleMode::plain);
  console.earlier_losses({14.0, 13.0});
  for (int i = 3; i <= 60; ++i) console.step(step(i));
  console.evaluation({60, 4.5, 6, 1234, 0.8});
  RunSummary summary;
  summary.checkpoint_path = "out/step_00000060";
  summary.log_path = "out/train_log.jsonl";
  summary.tensorboard_path = "out/runs";
  summary.next = {"longhaul inspect out"};
  console.closing(summary);
  for (const char* part : {"Finished after step 60 of 60: 58 steps in 1 min 56 s, 12.3k tok/s",
                           "14.0000 -> 6.0000  #", "evaluation    4.5000", "out/step_00000060",
                           "out/train_log.jsonl", "out/runs", "    longhaul inspect out"}) {
    EXPECT_TRUE(contains(text(), part)) << part << "\n" << text();
  }
}

TEST_F(ConsoleTest, ClosingWithoutStepsSaysSo) {
  Console& console = open(ConsoleMode::plain);
  console.closing({RunEnd::complete, "", "", "", {}});
  EXPECT_TRUE(contains(text(), "there was no step to do"));
}

}  // namespace
}  // namespace longhaul
