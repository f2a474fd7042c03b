#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "bench/kernels.h"
#include "bench/workbench.h"

namespace longhaul::bench {

/// What the groups of ops below share: sizes, operands, and measuring into the report.
class KernelSuite {
 public:
  KernelSuite(Backend& backend, const LocalSizes& sizes, const KernelOptions& options,
              Report& report)
      : backend(backend),
        sizes(sizes),
        tokens(options.tokens, sizes),
        dtype(backend.device->compute_dtype()),
        bench_(backend, options.seconds),
        only_(options.only),
        report_(report),
        copy_bytes_per_second_(options.copy_bytes_per_second.value_or(0.0)) {}

  Backend& backend;
  const LocalSizes& sizes;
  const TokenCounts tokens;  // sequence parallelism leaves norms a TP rank's share
  const DType dtype;         // of weights and activations

  [[nodiscard]] RandomData& data() { return bench_.data(); }
  Tensor activation(std::int64_t rows, std::int64_t cols, const Distribution& d = {}) {
    return data().matrix(dtype, rows, cols, d);
  }
  Tensor floats(std::int64_t rows, std::int64_t cols, const Distribution& d = {}) {
    return data().matrix(DType::f32, rows, cols, d);
  }
  Tensor norm_weight(std::int64_t cols) { return activation(1, cols, {1.0, 0.02}); }

  /// Did the user ask for this op?
  [[nodiscard]] bool wanted(std::string_view op) const {
    return op.find(only_) != std::string_view::npos;
  }
  /// make() -> operands; bytes(operands): what a call must move; call(operands).
  template <typename Make, typename Bytes, typename Call, typename... Restore>
  void measure(std::string_view op, const std::string& shape, const Make& make, const Bytes& bytes,
               const Call& call, const Restore&... restore) {
    if (!wanted(op)) return;
    std::int64_t moved = 0;
    const Timing timing = bench_.time(
        [&] {
          auto set = make();
          moved = bytes(set);
          return set;
        },
        call, restore...);
    add(op, shape, moved, timing);
  }

  /// Before all others: their last column is a share of what this gives.
  void measure_copying(std::size_t bytes);

 private:
  void add(std::string_view op, const std::string& shape, std::int64_t bytes, const Timing& timing);

  Workbench bench_;
  std::string only_;
  Report& report_;
  double copy_bytes_per_second_;
};

/// "16384 x 5120"
inline std::string shape_text(std::int64_t rows, std::int64_t cols) {
  return fmt::format("{} x {}", rows, cols);
}

/// Bytes of all: name a tensor twice when it is read and written.
inline std::int64_t moved(std::initializer_list<MatrixView> views) {
  std::int64_t bytes = 0;
  for (const MatrixView& view : views) bytes += static_cast<std::int64_t>(view.bytes());
  return bytes;
}

void bench_norms(KernelSuite& suite);    // RMSNorm, QK norm, rotary embedding
void bench_mlp(KernelSuite& suite);      // SwiGLU, embedding, biases, sums
void bench_loss(KernelSuite& suite);     // the loss head's rows and cross-entropy
void bench_updates(KernelSuite& suite);  // conversion, gradients, AdamW

}  // namespace longhaul::bench
