#include "metrics/step_metrics.h"

#include <gtest/gtest.h>

#include "metrics/model_flops.h"

namespace longhaul {
namespace {

TEST(StepMetrics, RatesFollowTheirDefinitions) {
  StepMetrics m;
  m.tokens = 3000;
  m.trained_tokens = 600;
  m.padding_tokens = 1000;
  m.step_seconds = 1.5;
  m.devices = 4;
  m.model_flops = 6e12;
  m.peak_flops = 16e12;
  EXPECT_DOUBLE_EQ(m.tokens_per_second(), 2000.0);
  EXPECT_DOUBLE_EQ(m.tokens_per_second_per_device(), 500.0);
  EXPECT_DOUBLE_EQ(m.trained_tokens_per_second(), 400.0);
  EXPECT_DOUBLE_EQ(m.model_tflops(), 1.0);
  EXPECT_DOUBLE_EQ(m.mfu().value(), 0.25);
  EXPECT_DOUBLE_EQ(m.padding_share(), 0.25);
}

TEST(StepMetrics, NothingMeasuredGivesZeroNotInfinity) {
  const StepMetrics m;
  EXPECT_EQ(m.tokens_per_second(), 0.0);
  EXPECT_EQ(m.model_tflops(), 0.0);
  EXPECT_EQ(m.padding_share(), 0.0);
}

TEST(StepMetrics, NoPeakNoMfu) {
  StepMetrics m;
  m.step_seconds = 1.0;
  m.model_flops = 1e12;
  EXPECT_FALSE(m.mfu().has_value());
}

TEST(ModelFlops, SumsTheThreeTerms) {
  ModelFlopsInput input;
  input.layer_matmul_parameters = 1000;
  input.tokens = 10;  // 6 * 1000 * 10
  input.head_parameters = 500;
  input.head_rows = 4;  // 6 * 500 * 4
  input.layers = 2;
  input.query_heads = 3;
  input.head_dim = 8;
  input.sum_of_squared_lengths = 6 * 6 + 4 * 4;  // 6 * 2 * 3 * 8 * 52
  EXPECT_DOUBLE_EQ(training_flops(input), 60000.0 + 12000.0 + 14976.0);
}

// A causal forward counted multiply-add by multiply-add: row i meets i + 1 keys.
TEST(ModelFlops, AttentionTermIsTheCausalCountToFirstOrder) {
  const std::int64_t length = 4096;
  const std::int64_t head_dim = 128;
  double forward = 0.0;
  for (std::int64_t row = 0; row < length; ++row) {
    forward += 2.0 * 2.0 * static_cast<double>(row + 1) * static_cast<double>(head_dim);
  }
  ModelFlopsInput input;
  input.layers = 1;
  input.query_heads = 1;
  input.head_dim = head_dim;
  input.sum_of_squared_lengths = length * length;
  EXPECT_NEAR(training_flops(input) / (3.0 * forward), 1.0, 1.0 / static_cast<double>(length));
}

// 72.7 B parameters, 64k-token documents: products beyond 2^63 must not wrap.
TEST(ModelFlops, LargeModelsDoNotOverflow) {
  ModelFlopsInput input;
  input.layer_matmul_parameters = 70'000'000'000;
  input.tokens = 2'000'000;
  input.layers = 80;
  input.query_heads = 64;
  input.head_dim = 128;
  input.sum_of_squared_lengths = std::int64_t{32} * 64000 * 64000;
  EXPECT_NEAR(training_flops(input), 6 * 7e10 * 2e6 + 6.0 * 80 * 64 * 128 * 32 * 64000.0 * 64000.0,
              1e9);
}

}  // namespace
}  // namespace longhaul
