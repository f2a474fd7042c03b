#include "compute/timing.h"

#include <gtest/gtest.h>

#include "bench/tiny_model.h"

namespace longhaul {
namespace {

/// A model that the CPU computes in no time: T 24, H 64, F 96, 4/2 heads of 16.
TimedModel tiny() { return {testing::tiny_model(), 24, {20, 4}, 1e-4}; }

void expect_plausible(const OpTiming& timing, double bytes_or_flops, double ceiling) {
  EXPECT_GT(timing.microseconds, 0.0) << timing.op;
  EXPECT_NEAR(timing.rate * timing.microseconds, bytes_or_flops, 1e-9 * bytes_or_flops)
      << timing.op;
  EXPECT_DOUBLE_EQ(timing.ceiling, ceiling) << timing.op;
}

TEST(Timing, LinesAreAlignedAndEndWithTheShareOfTheCeiling) {
  EXPECT_EQ(timing_line({"swiglu_forward", "4096 x 6144", 61.04, 3712.0, "GB/s", 4188.9}),
            "  swiglu_forward                   4096 x 6144               61.0 us     3712 GB/s    "
            "  88.6 %");
  EXPECT_EQ(timing_line({"linear, forward", "4096 x 12288 x 2048", 312.0, 660.8, "TFLOP/s", 0.0}),
            "  linear, forward                  4096 x 12288 x 2048      312.0 us    660.8 TFLOP/s "
            "       -");
}

TEST(Timing, KernelsAreHeldAgainstCopying) {
  Backend backend = make_cpu_backend(1);
  const std::vector<OpTiming> timings = time_kernels(backend, "swiglu", tiny(), 5e9);
  ASSERT_EQ(timings.size(), 2U);
  EXPECT_EQ(timings[0].op, "swiglu_forward");
  EXPECT_EQ(timings[0].shape, "24 x 96");
  EXPECT_EQ(timings[0].unit, "GB/s");
  expect_plausible(timings[0], 1e-3 * 4 * 3 * 24 * 96, 5.0);
  EXPECT_EQ(timings[1].op, "swiglu_backward");
  expect_plausible(timings[1], 1e-3 * 4 * 6 * 24 * 96, 5.0);
  // "rms_norm_backward, accumulate" has the name in it, but is another op.
  const std::vector<OpTiming> accumulate = time_kernels(backend, "accumulate", tiny(), 5e9);
  ASSERT_EQ(accumulate.size(), 1U);
  EXPECT_EQ(accumulate[0].op, "accumulate");
  EXPECT_GT(measure_copying(backend, 1 << 20, 1e-4), 0.0);
}

TEST(Timing, ProductsAndAttentionAreHeldAgainstThePeak) {
  Backend backend = make_cpu_backend(1);
  const double peak = 1e-12 * backend.device->peak_flops();
  const std::vector<OpTiming> products = time_products(backend, tiny());
  ASSERT_EQ(products.size(), 3U);
  EXPECT_EQ(products[2].op, "linear, weight gradient");
  EXPECT_EQ(products[2].shape, "24 x 192 x 64");
  for (const OpTiming& product : products) {
    expect_plausible(product, 1e-6 * 2 * 24 * 192 * 64, peak);
  }
  const std::vector<OpTiming> attention = time_attention(backend, tiny());
  ASSERT_EQ(attention.size(), 2U);
  EXPECT_EQ(attention[0].op, "attention, forward");
  EXPECT_EQ(attention[0].shape, "24 x 4/2 x 16");
  const double pairs = 20.0 * 21 / 2 + 4.0 * 5 / 2;
  expect_plausible(attention[0], 1e-6 * 4 * 4 * 16 * pairs, peak);
  expect_plausible(attention[1], 1e-6 * 10 * 4 * 16 * pairs, peak);
}

TEST(Timing, NothingIsPrintedOnTheCpu) {
  Backend backend = make_cpu_backend(1);
  ::testing::internal::CaptureStdout();
  print_kernel_timings(backend, "add");
  print_product_timings(backend);
  print_attention_timings(backend);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

// What is timed has to fit where print_..._timings() let it run.
TEST(Timing, AnOpOfTheRealisticModelNeedsLessThanTwoGibibytes) {
  const TimedModel model = realistic_model();
  EXPECT_LE(model.tokens * model.config.vocab_size * 2 * 4, std::int64_t{3} << 29);
  EXPECT_LE(model.config.vocab_size * model.config.hidden_size * 4, std::int64_t{1} << 30);
  EXPECT_LE(2 * model.config.intermediate_size * model.config.hidden_size * 18 * 2,
            std::int64_t{3} << 29);
}

}  // namespace
}  // namespace longhaul
