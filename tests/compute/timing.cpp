#include "compute/timing.h"

#include <fmt/format.h>

#include <cstdlib>

#include "bench/attention.h"
#include "bench/gemm.h"
#include "bench/kernels.h"

namespace longhaul {
namespace {

constexpr std::size_t kMostBytes = std::size_t{2} << 30;

LocalSizes local_sizes(const ModelConfig& config) {
  const ProcessGrid grid(ParallelLayout{1, 1, 1}, 0);
  return LocalSizes(config, grid, ParameterTable(config, grid));
}

double real(const bench::Report& report, std::size_t row, const char* key) {
  return std::get<double>(report.cell(row, key));
}
std::string text(const bench::Report& report, std::size_t row, const char* key) {
  return std::get<std::string>(report.cell(row, key));
}
std::int64_t count(const bench::Report& report, std::size_t row, const char* key) {
  return std::get<std::int64_t>(report.cell(row, key));
}

bool worth_timing(const Device& device) {
  const char* const wish = std::getenv("LONGHAUL_TEST_TIMING");
  return device.kind() == DeviceKind::cuda && device.memory_free() >= kMostBytes &&
         (wish == nullptr || std::string_view(wish) != "off");
}

void print(const std::vector<OpTiming>& timings) {
  for (const OpTiming& timing : timings) fmt::print("{}\n", timing_line(timing));
}

}  // namespace

std::string timing_line(const OpTiming& t) {
  const std::string percent =
      t.ceiling > 0 ? fmt::format("{:.1f} %", 100.0 * t.rate / t.ceiling) : "-";
  return fmt::format("  {:<32} {:<20} {:>9.1f} us {:>8.4g} {:<7} {:>8}", t.op, t.shape,
                     t.microseconds, t.rate, t.unit, percent);
}

TimedModel realistic_model() {
  // Qwen3-1.7B with a quarter of its vocabulary, as a tensor-parallel rank would have it.
  ModelConfig config;
  config.hidden_size = 2048;
  config.intermediate_size = 6144;
  config.num_layers = 1;
  config.num_heads = 16;
  config.num_kv_heads = 8;
  config.head_dim = 128;
  config.vocab_size = 151936 / 4;
  config.qk_norm = true;
  return {config, 4096, {9000, 4000, 2000, 1000, 384}, 0.02};
}

double measure_copying(Backend& backend, std::size_t bytes, double seconds) {
  ModelConfig config = realistic_model().config;
  bench::Report report("kernels", nullptr);
  bench::bench_kernels(
      backend, local_sizes(config),
      {.tokens = 1, .only = "nothing but the copy", .copy_bytes = bytes, .seconds = seconds},
      report);
  return 1e9 * std::get<double>(report.result("copy_gb_per_second"));
}

std::vector<OpTiming> time_kernels(Backend& backend, std::string_view op, const TimedModel& model,
                                   double copy_bytes_per_second) {
  bench::Report report("kernels", nullptr);
  bench::bench_kernels(backend, local_sizes(model.config),
                       {.tokens = model.tokens,
                        .only = std::string(op),
                        .seconds = model.seconds,
                        .copy_bytes_per_second = copy_bytes_per_second},
                       report);
  std::vector<OpTiming> timings;
  for (std::size_t i = 0; i < report.rows(); ++i) {
    if (!text(report, i, "op").starts_with(op)) continue;
    timings.push_back({text(report, i, "op"), text(report, i, "shape"),
                       real(report, i, "microseconds"), real(report, i, "gb_per_second"), "GB/s",
                       1e-9 * copy_bytes_per_second});
  }
  return timings;
}

std::vector<OpTiming> time_products(Backend& backend, const TimedModel& model) {
  bench::Report report("gemm", nullptr);
  bench::bench_gemm(backend, model.config, ProcessGrid({1, 1, 1}, 0),
                    {.tokens = model.tokens, .only = "gate_up", .seconds = model.seconds}, report);
  std::vector<OpTiming> timings;
  for (std::size_t i = 0; i < report.rows(); ++i) {
    timings.push_back({fmt::format("linear, {}", text(report, i, "product")),
                       fmt::format("{} x {} x {}", count(report, i, "tokens"),
                                   count(report, i, "out"), count(report, i, "in")),
                       real(report, i, "microseconds"), real(report, i, "tflops"), "TFLOP/s",
                       1e-12 * backend.device->peak_flops()});
  }
  return timings;
}

std::vector<OpTiming> time_attention(Backend& backend, const TimedModel& model) {
  const AttentionHeads heads = local_sizes(model.config).heads;
  bench::Report report("attention", nullptr);
  bench::bench_attention(
      backend, {.lengths = model.documents, .heads = heads, .seconds = model.seconds}, report);
  std::vector<OpTiming> timings;
  for (std::size_t i = 0; i < report.rows(); ++i) {
    timings.push_back({fmt::format("attention, {}", text(report, i, "pass")),
                       fmt::format("{} x {}/{} x {}", count(report, i, "tokens"), heads.num_q_heads,
                                   heads.num_kv_heads, heads.head_dim),
                       real(report, i, "microseconds"), real(report, i, "tflops"), "TFLOP/s",
                       1e-12 * backend.device->peak_flops()});
  }
  return timings;
}

void print_kernel_timings(Backend& backend, std::string_view op) {
  if (!worth_timing(*backend.device)) return;
  static const double copying = measure_copying(backend, std::size_t{256} << 20, 0.1);
  print(time_kernels(backend, op, realistic_model(), copying));
}

void print_product_timings(Backend& backend) {
  if (worth_timing(*backend.device)) print(time_products(backend, realistic_model()));
}

void print_attention_timings(Backend& backend) {
  if (worth_timing(*backend.device)) print(time_attention(backend, realistic_model()));
}

}  // namespace longhaul
