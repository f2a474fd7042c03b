#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "compute/backend.h"
#include "compute/cuda/gemm/gemm_cache.h"
#include "compute/cuda/gemm/gemm_product.h"
#include "core/tensor/matrix.h"

namespace longhaul {

enum class TuneMode : std::uint8_t {
  /// cuBLASLt's own first choice for the shape; the algorithms' file is not consulted. The choice
  /// is a function of the shape (T rounded up to its bucket), so the same run on the same kind of
  /// GPU with the same library takes the same algorithms, resumed or not.
  heuristic_first,
  /// The first product of a shape times cuBLASLt's candidates and keeps the fastest.
  time_candidates,
};

/// The matrix products of linear layers, through cuBLASLt: bf16 operands, fp32 accumulation.
///
/// Any sizes and strides are accepted. What is slow: addresses or strides that are not multiples of
/// 16 bytes; and, where cuBLASLt has no algorithm that adds bias or addend itself or the bias is
/// not aligned to 16 bytes, they are added by steps of their own, each rounded to bf16.
///
/// Steady state: a product whose shape has been seen allocates nothing. When only T changes, no
/// memory is allocated and nothing is timed as long as T stays in its bucket (see token_bucket).
///
/// Determinism: every algorithm that cuBLASLt offers gives the same bits each time on the same kind
/// of GPU (same number of SMs) with the same library version and one stream at a time, NVIDIA
/// states; sums over split K go through fp32 buffers, never through atomic additions. Which
/// algorithm runs is fixed by TuneMode::heuristic_first, or with TuneMode::time_candidates by the
/// file. Partial sums in bf16 are never allowed.
///
/// One thread, one stream at a time: all products share the workspace.
class Gemm {
 public:
  /// What set_workspace() should give; anything beyond serves as scratch memory when timing.
  static constexpr std::size_t kWorkspaceBytes = std::size_t{64} << 20U;

  /// For the current device. device: its name and number of SMs, as the algorithms' file records
  /// them ("NVIDIA H100 80GB HBM3, 132 SMs").
  Gemm(std::string device, TuneMode mode);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /// data [bytes], device memory aligned to 256 bytes, at least 1 MiB. Needed before any product.
  void set_workspace(void* data, std::size_t bytes);

  /// x [T, K], w [N, K], bias [N] or null, addend [T, N] or an empty view (all bf16) ->
  /// y [T, N] bf16, overwritten with x w^T + bias + addend. y overlaps no operand.
  void forward(ConstMatrixView x, ConstMatrixView w, const void* bias, ConstMatrixView addend,
               MatrixView y, cudaStream_t stream);
  /// dy [T, N], w [N, K] (bf16) -> dx [T, K] bf16, overwritten with or increased by dy w.
  void backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx, AccumulateMode write,
                      cudaStream_t stream);
  /// dy [T, N], x [T, K] (bf16) -> dw [N, K] fp32, overwritten with or increased by dy^T x.
  void backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw, AccumulateMode write,
                       cudaStream_t stream);

  /// The algorithms found by timing. Every rank may load the file; one rank saves it, when there is
  /// something new (algorithms().changed()). Algorithms that this device or library refuses are
  /// timed again.
  std::size_t load_algorithms(const std::filesystem::path& file) { return cache_.load(file); }
  void save_algorithms(const std::filesystem::path& file) { cache_.save(file); }
  [[nodiscard]] const GemmCache& algorithms() const { return cache_; }

 private:
  struct Plan;

  static GemmProduct forward_product(ConstMatrixView x, ConstMatrixView w, const void* bias,
                                     ConstMatrixView addend, MatrixView y);
  void forward_in_steps(ConstMatrixView x, ConstMatrixView w, const void* bias,
                        ConstMatrixView addend, MatrixView y, cudaStream_t stream);
  void add_bias(const void* bias, MatrixView y, AccumulateMode write, cudaStream_t stream);

  /// False when cuBLASLt has no algorithm for the product; nothing is computed then.
  [[nodiscard]] bool run(const GemmProduct& product, cudaStream_t stream);
  void run_or_throw(const GemmProduct& product, cudaStream_t stream);
  void choose(Plan& plan, const GemmKey& key, const GemmProduct& product, cudaStream_t stream);
  void choose_by_timing(Plan& plan, const GemmKey& key, const GemmProduct& product,
                        cudaStream_t stream);
  [[nodiscard]] std::vector<cublasLtMatmulAlgo_t> suggestions(Plan& plan, const GemmKey& key,
                                                              int count) const;

  std::unique_ptr<cublasLtContext, DestroyCublasLt> handle_;
  GemmLibrary library_;
  TuneMode mode_;
  GemmCache cache_;
  std::unordered_map<GemmKey, std::unique_ptr<Plan>, GemmKeyHash> plans_;
  void* ones_ = nullptr;  // bf16, part of the workspace, filled when needed
};

}  // namespace longhaul
