// kernels, gemm and attention on the CPU backend: every row is there, and the bytes and operations
// are what the shapes say.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "bench/attention.h"
#include "bench/gemm.h"
#include "bench/kernels.h"
#include "bench/tiny_model.h"

namespace longhaul::bench {
namespace {

constexpr double kSeconds = 0.001;

LocalSizes tiny_sizes(const ModelConfig& config, int tp = 1) {
  const ProcessGrid grid(ParallelLayout{tp, 1, 1}, 0);
  return LocalSizes(config, grid, ParameterTable(config, grid));
}

double real(const Report& report, std::size_t row, const char* key) {
  return std::get<double>(report.cell(row, key));
}
std::string text(const Report& report, std::size_t row, const char* key) {
  return std::get<std::string>(report.cell(row, key));
}

std::map<std::string, std::int64_t> kernel_bytes(int tp, const std::string& only = "") {
  Backend backend = make_cpu_backend(1);
  Report report("kernels", nullptr);
  const KernelOptions options{.tokens = 48, .only = only, .copy_bytes = 4096, .seconds = kSeconds};
  bench_kernels(backend, tiny_sizes(testing::tiny_model(), tp), options, report);
  std::map<std::string, std::int64_t> bytes;
  for (std::size_t i = 0; i < report.rows(); ++i) {
    const auto moved = std::get<std::int64_t>(report.cell(i, "bytes"));
    const double rate = real(report, i, "gb_per_second");
    EXPECT_GT(real(report, i, "microseconds"), 0.0);
    EXPECT_GE(real(report, i, "microseconds"), real(report, i, "best_microseconds"));
    EXPECT_NEAR(rate, static_cast<double>(moved) * 1e-3 / real(report, i, "microseconds"),
                1e-9 * rate);
    EXPECT_NEAR(real(report, i, "percent_of_copy"),
                100 * rate / std::get<double>(report.result("copy_gb_per_second")), 1e-6 * rate);
    EXPECT_TRUE(bytes.emplace(text(report, i, "op"), moved).second);
  }
  return bytes;
}

TEST(KernelBench, BytesAreThoseOfTheShapes) {
  // T 48, H 64, 4/2 heads of 16, F 96, V 250, fp32.
  constexpr std::int64_t kT = 48;
  constexpr std::int64_t kSide = kT * 4 + 2 * kT * 8 * 4;  // positions, cosines, sines
  const std::map<std::string, std::int64_t> expected{
      {"copy_on_device", 2 * 4096},
      {"rms_norm_forward", 4 * (2 * kT * 64 + 64 + kT)},
      {"rms_norm_backward", 4 * (3 * kT * 64 + 3 * 64 + kT)},
      {"rms_norm_backward, accumulate", 4 * (4 * kT * 64 + 3 * 64 + kT)},
      {"head_norm_rope_forward, q", 4 * (2 * kT * 64 + 16 + kT * 4) + kSide},
      {"head_norm_rope_backward, q", 4 * (3 * kT * 64 + 3 * 16 + kT * 4) + kSide},
      {"rope forward, q", 4 * 2 * kT * 64 + kSide},
      {"rope backward, q", 4 * 2 * kT * 64 + kSide},
      {"head_norm_rope_forward, k", 4 * (2 * kT * 32 + 16 + kT * 2) + kSide},
      {"head_norm_rope_backward, k", 4 * (3 * kT * 32 + 3 * 16 + kT * 2) + kSide},
      {"rope forward, k", 4 * 2 * kT * 32 + kSide},
      {"rope backward, k", 4 * 2 * kT * 32 + kSide},
      {"swiglu_forward", 4 * 3 * kT * 96},
      {"swiglu_backward", 4 * 6 * kT * 96},
      {"embedding_forward", 4 * (kT + 2 * kT * 64)},
      {"add", 4 * 3 * kT * 64},
      {"bias_backward", 4 * (kT * 64 + 2 * 64)},
      {"reorder_chunks", 4 * 2 * kT * 64},
      {"gather_rows", 4 * (2 * kT * 64 + kT)},
      {"scatter_rows", 4 * (2 * kT * 64 + kT)},
      {"cross_entropy_partials", 4 * (kT * 250 + kT + 3 * kT)},
      {"cross_entropy_combine", 4 * (3 * kT + 2 * kT)},
      {"cross_entropy_backward", 4 * (2 * kT * 250 + 3 * kT)},
      {"weighted_sum", 4 * 2 * kT + 16},
      {"convert, fp32 to weights' type", 4 * 2 * kT * 64},
      {"convert, weights' type to fp32", 4 * 2 * kT * 64},
      {"convert, same type, half a row", 4 * 2 * kT * 32},
      {"adamw", 4 * 8 * 192 * 64},
      {"sum_of_squares", 4 * 192 * 64 + 16},
      {"accumulate", 4 * 3 * 192 * 64},
      {"fill_zero", 4 * 192 * 64},
  };
  std::map<std::string, std::int64_t> bytes = kernel_bytes(1);
  // How many ids are distinct is chance.
  const std::int64_t embedding = bytes["embedding_backward"];
  EXPECT_GT(embedding, 4 * (kT + kT * 64) + 8 * 64 * kT / 2);
  EXPECT_LE(embedding, 4 * (kT + kT * 64) + 8 * 64 * kT);
  bytes.erase("embedding_backward");
  EXPECT_EQ(bytes, expected);
}

TEST(KernelBench, ShapesOfATensorParallelRank) {
  std::map<std::string, std::int64_t> bytes = kernel_bytes(2);
  EXPECT_EQ(bytes["add"], 4 * 3 * 24 * 64);  // sequence parallel
  EXPECT_EQ(bytes["swiglu_forward"], 4 * 3 * 48 * 48);
  EXPECT_EQ(bytes["cross_entropy_partials"], 4 * (48 * 125 + 48 + 3 * 48));
  EXPECT_EQ(bytes["cross_entropy_combine"], 4 * (2 * 3 * 48 + 2 * 48));
  // Half of the ids are another rank's.
  EXPECT_LT(bytes["embedding_forward"], 4 * (48 + 2 * 48 * 64));
}

TEST(KernelBench, OnlyTheOpsAskedFor) {
  EXPECT_EQ(kernel_bytes(1, "swiglu").size(), 3U);  // and the copy
  EXPECT_EQ(kernel_bytes(1, "nothing like it").size(), 1U);
}

TEST(KernelBench, CopyingIsNotMeasuredWhenItsRateIsKnown) {
  Backend backend = make_cpu_backend(1);
  Report report("kernels", nullptr);
  bench_kernels(backend, tiny_sizes(testing::tiny_model()),
                {.tokens = 48, .only = "adamw", .seconds = kSeconds, .copy_bytes_per_second = 50e9},
                report);
  ASSERT_EQ(report.rows(), 1U);
  EXPECT_EQ(text(report, 0, "op"), "adamw");
  const double rate = real(report, 0, "gb_per_second");
  EXPECT_NEAR(real(report, 0, "percent_of_copy"), 2.0 * rate, 1e-9 * rate);
}

TEST(GemmBench, EveryProductOfTheModel) {
  Backend backend = make_cpu_backend(1);
  const ModelConfig config = testing::tiny_model();
  Report report("gemm", nullptr);
  bench_gemm(backend, config, ProcessGrid({1, 1, 1}, 0), {.tokens = 48, .seconds = kSeconds},
             report);
  ASSERT_EQ(report.rows(), 18U);
  double step_flops = 0.0;
  for (std::size_t i = 0; i < report.rows(); ++i) {
    const auto count = [&](const char* key) {
      return static_cast<double>(std::get<std::int64_t>(report.cell(i, key)));
    };
    const double flops = 2.0 * count("tokens") * count("out") * count("in");
    step_flops += flops * count("calls_per_step");
    EXPECT_NEAR(real(report, i, "tflops"), flops * 1e-6 / real(report, i, "microseconds"),
                1e-9 * real(report, i, "tflops"));
  }
  // The matrix products of 6 P T, head included, over the time of all of them.
  EXPECT_DOUBLE_EQ(step_flops, 6.0 * 48.0 *
                                   static_cast<double>(config.layer_matmul_parameters() +
                                                       config.head_parameters()));
  EXPECT_NEAR(std::get<double>(report.result("tflops_weighted")) *
                  std::get<double>(report.result("step_microseconds")),
              step_flops * 1e-6, step_flops * 1e-15);
  EXPECT_GT(std::get<double>(report.result("tflops_mean")), 0.0);
}

TEST(GemmBench, BiasesAndAccumulation) {
  Backend backend = make_cpu_backend(1);
  ModelConfig config = testing::tiny_model();
  config.qkv_bias = true;
  Report report("gemm", nullptr);
  bench_gemm(backend, config, ProcessGrid({2, 1, 1}, 0),
             {.tokens = 8,
              .weight_gradient = AccumulateMode::accumulate,
              .only = "kv",
              .seconds = kSeconds},
             report);
  ASSERT_EQ(report.rows(), 3U);
  EXPECT_EQ(text(report, 0, "linear"), "kv");
  EXPECT_EQ(std::get<std::int64_t>(report.cell(0, "out")), 32);
}

TEST(AttentionBench, CountsPairs) {
  EXPECT_DOUBLE_EQ(attention_pairs(std::vector<AttentionSegment>{{0, 5, 0, 5}}), 15.0);
  EXPECT_DOUBLE_EQ(attention_pairs(std::vector<AttentionSegment>{{0, 2, 0, 5}, {2, 1, 5, 1}}),
                   4 + 5 + 1);
}

TEST(AttentionBench, OperationsOfTheLengths) {
  Backend backend = make_cpu_backend(1);
  Report report("attention", nullptr);
  bench_attention(backend,
                  {.lengths = {10, 50, 4},
                   .heads = {4, 2, 16, 0.25F},
                   .pack_against_equal = true,
                   .seconds = kSeconds},
                  report);
  ASSERT_EQ(report.rows(), 4U);
  const double pairs = 10 * 11 / 2 + 50 * 51 / 2 + 4 * 5 / 2;
  EXPECT_DOUBLE_EQ(real(report, 0, "flops"), 4.0 * 4 * 16 * pairs);
  EXPECT_DOUBLE_EQ(real(report, 1, "flops"), 10.0 * 4 * 16 * pairs);
  EXPECT_EQ(text(report, 1, "pass"), "backward");
  // 64^2 / 2616 = 1.57: two documents of 32.
  EXPECT_EQ(std::get<std::int64_t>(report.cell(2, "count")), 2);
  EXPECT_DOUBLE_EQ(real(report, 2, "flops"), 4.0 * 4 * 16 * (2 * 32 * 33 / 2));
  EXPECT_NEAR(std::get<double>(report.result("forward_against_equal")),
              real(report, 0, "tflops") / real(report, 2, "tflops"), 1e-9);
  EXPECT_GT(std::get<double>(report.result("backward_against_equal")), 0.0);
}

TEST(AttentionBench, ContextParallelRanksShareTheWork) {
  Backend backend = make_cpu_backend(1);
  double sum = 0.0;
  for (int rank = 0; rank < 4; ++rank) {
    Report report("attention", nullptr);
    bench_attention(backend,
                    {.lengths = {64},
                     .heads = {2, 2, 8, 0.3F},
                     .context_parallel = 4,
                     .cp_rank = rank,
                     .seconds = kSeconds},
                    report);
    const double flops = real(report, 0, "flops");
    EXPECT_DOUBLE_EQ(flops, 4.0 * 2 * 8 * (64 * 65 / 2) / 4);  // chunks r and 7 - r balance
    sum += flops;
  }
  EXPECT_DOUBLE_EQ(sum, 4.0 * 2 * 8 * (64 * 65 / 2));
}

}  // namespace
}  // namespace longhaul::bench
