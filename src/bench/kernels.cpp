#include "bench/kernels.h"

#include <algorithm>

#include "bench/kernel_suite.h"

namespace longhaul::bench {

void KernelSuite::measure_copying(std::size_t bytes) {
  struct Set {
    Tensor from, to;
  };
  const auto count = static_cast<std::int64_t>(bytes / sizeof(float));
  const Timing timing = bench_.time(
      [&] {
        return Set{floats(1, count), data().uninitialised(DType::f32, 1, count)};
      },
      [&](const Set& s) {
        backend.device->copy_on_device(s.to.data(), s.from.data(), s.from.view.bytes(),
                                       backend.device->compute_stream());
      });
  const std::int64_t both_ways = 2 * count * static_cast<std::int64_t>(sizeof(float));
  copy_bytes_per_second_ = static_cast<double>(both_ways) / timing.median;
  report_.add_result("copy_gb_per_second", copy_bytes_per_second_ * 1e-9);
  add("copy_on_device", fmt::format("{}", count), both_ways, timing);
}

void KernelSuite::add(std::string_view op, const std::string& shape, std::int64_t bytes,
                      const Timing& timing) {
  const double rate = static_cast<double>(bytes) / timing.median;
  report_.add_row({std::string(op), shape, bytes, timing.median * 1e6, timing.best * 1e6,
                   rate * 1e-9, 100.0 * rate / copy_bytes_per_second_});
}

void bench_kernels(Backend& backend, const LocalSizes& sizes, const KernelOptions& options,
                   Report& report) {
  report.set_columns({{"op", "op", 30},
                      {"shape", "shape", 20},
                      {"bytes", "bytes", 15},
                      {"microseconds", "us", 10},
                      {"best_microseconds", "best us", 10},
                      {"gb_per_second", "GB/s", 8},
                      {"percent_of_copy", "% of copy", 9}});
  const WorkspaceShape shape{options.tokens, options.tokens, sizes.heads};
  const DeviceBuffer workspace(*backend.device, backend.device->model().workspace_bytes(shape));
  backend.ops->set_workspace(shape, workspace.data(), workspace.bytes());
  KernelSuite suite(backend, sizes, options, report);
  if (!options.copy_bytes_per_second) suite.measure_copying(options.copy_bytes);
  bench_norms(suite);
  bench_mlp(suite);
  bench_loss(suite);
  bench_updates(suite);
  backend.ops->set_workspace({}, nullptr, 0);
}

}  // namespace longhaul::bench
