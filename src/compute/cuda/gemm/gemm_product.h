#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "compute/cuda/gemm/gemm_cache.h"
#include "core/tensor/matrix.h"

// What Gemm and its tuning share: one product of a linear layer in cuBLASLt's terms.
//
// cuBLASLt's matrices are column-major: a row-major matrix [rows, cols] is its column-major
// transpose [cols, rows] with the same stride. So the three products are, transposed:
//   y^T  [N, T] = w x^T      A = w (op T), B = x  (op N); the bias runs along D's rows
//   dx^T [K, T] = w^T dy^T   A = w (op N), B = dy (op N)
//   dw^T [K, N] = x^T dy     A = x (op N), B = dy (op T)
// In each, T is the number of columns of two or three of the layouts and nothing else.

namespace longhaul {

/// The library does not ask how a bias is aligned, but some of its kernels need 16 bytes.
inline constexpr std::int32_t kGemmBiasAlignment = 16;

struct GemmProduct {
  GemmKind kind = GemmKind::forward;
  GemmAddend addend = GemmAddend::none;
  std::int64_t tokens = 0;
  std::int64_t outputs = 0;
  std::int64_t inputs = 0;
  ConstMatrixView a;
  ConstMatrixView b;
  ConstMatrixView c;  // the addend; d when there is none or it is what d holds
  MatrixView d;
  const void* bias = nullptr;  // [outputs] bf16 or null, aligned to kGemmBiasAlignment

  [[nodiscard]] double flops() const;
  /// What the choice of an algorithm depends on, with T rounded up to its bucket.
  [[nodiscard]] GemmKey key() const;
  /// The same product over the first `t` tokens and, for backward_weight, `n` outputs.
  [[nodiscard]] GemmProduct part(std::int64_t t, std::int64_t n) const;
  /// "linear_forward T = 5, N = 3, K = 7"
  [[nodiscard]] std::string text() const;
};

/// The largest power of two, up to 256, that divides the address.
std::int32_t gemm_alignment_of(const void* data);

/// Elements between two rows as cuBLASLt is told. A single row has no next one, so anything is
/// right, and a multiple of 16 bytes suits every kernel.
std::int64_t gemm_leading_dimension(const ConstMatrixView& m);

struct DestroyCublasLt {
  void operator()(cublasLtHandle_t handle) const noexcept { cublasLtDestroy(handle); }
  void operator()(cublasLtMatmulDesc_t desc) const noexcept { cublasLtMatmulDescDestroy(desc); }
  void operator()(cublasLtMatrixLayout_t layout) const noexcept {
    cublasLtMatrixLayoutDestroy(layout);
  }
  void operator()(cublasLtMatmulPreference_t preference) const noexcept {
    cublasLtMatmulPreferenceDestroy(preference);
  }
};

/// cuBLASLt's description of a product. Addresses are not part of it, but for the bias's.
class GemmDescriptors {
 public:
  explicit GemmDescriptors(const GemmProduct& product);

  void set_tokens(std::int64_t tokens);
  void set_bias(const void* bias);
  /// An address that stands for every bias, so that suggestions do not depend on the last one.
  void set_any_bias();

  [[nodiscard]] cublasLtMatmulDesc_t operation() const { return operation_.get(); }
  [[nodiscard]] cublasLtMatrixLayout_t a() const { return a_.get(); }
  [[nodiscard]] cublasLtMatrixLayout_t b() const { return b_.get(); }
  [[nodiscard]] cublasLtMatrixLayout_t c() const { return c_ ? c_.get() : d_.get(); }
  [[nodiscard]] cublasLtMatrixLayout_t d() const { return d_.get(); }

 private:
  using Operation = std::unique_ptr<cublasLtMatmulDescOpaque_t, DestroyCublasLt>;
  using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, DestroyCublasLt>;
  static Layout make_layout(const ConstMatrixView& m);

  GemmKind kind_;
  bool has_bias_;
  std::int64_t tokens_;
  Operation operation_;
  Layout a_;
  Layout b_;
  Layout c_;  // null: as d
  Layout d_;
};

/// cuBLASLt with memory to work in. Not an owner.
struct GemmLibrary {
  cublasLtHandle_t handle = nullptr;
  void* workspace = nullptr;  // [workspace_bytes], for the library
  std::size_t workspace_bytes = 0;
  void* scratch = nullptr;  // [scratch_bytes], for outputs that only serve timing
  std::size_t scratch_bytes = 0;

  /// A status other than success means that nothing was computed.
  [[nodiscard]] cublasStatus_t launch(GemmDescriptors& descriptors, const GemmProduct& product,
                                      const cublasLtMatmulAlgo_t& algorithm,
                                      cudaStream_t stream) const;
  /// The library's suggestions, best first, at most `count`; none when it has no algorithm.
  /// reduction_schemes: a mask of cublasLtReductionScheme_t for sums over split K.
  [[nodiscard]] std::vector<cublasLtMatmulAlgo_t> suggestions(GemmDescriptors& descriptors,
                                                              const GemmKey& key,
                                                              std::uint32_t reduction_schemes,
                                                              int count) const;
  /// Does the library accept the algorithm, and is there enough workspace? No promise to run.
  [[nodiscard]] bool accepts(GemmDescriptors& descriptors,
                             const cublasLtMatmulAlgo_t& algorithm) const;
};

}  // namespace longhaul
