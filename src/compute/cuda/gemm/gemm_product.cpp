#include "compute/cuda/gemm/gemm_product.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "compute/cuda/gemm/cublas_check.h"

namespace longhaul {
namespace {

/// Throws InternalError for a type that no product here has.
cudaDataType_t lt_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return CUDA_R_32F;
    case DType::bf16:
      return CUDA_R_16BF;
    case DType::f16:
    case DType::i32:
    case DType::i64:
    case DType::u8:
    case DType::f64:
      break;
  }
  throw InternalError(fmt::format("matrix products of {}", name_of(dtype)));
}

template <typename T>
void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, T value) {
  LONGHAUL_CUBLAS_CHECK(
      cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value)),
      fmt::format("attribute {} of a matrix product", static_cast<int>(attribute)));
}

template <typename T>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
         T value) {
  LONGHAUL_CUBLAS_CHECK(
      cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)),
      fmt::format("preference {} of a matrix product", static_cast<int>(attribute)));
}

void set_cols(cublasLtMatrixLayout_t layout, std::int64_t cols) {
  const auto value = static_cast<std::uint64_t>(cols);
  LONGHAUL_CUBLAS_CHECK(
      cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_COLS, &value, sizeof(value)),
      fmt::format("{} columns of a matrix product", cols));
}

}  // namespace

std::int32_t gemm_alignment_of(const void* data) {
  return 1 << std::min(8, std::countr_zero(reinterpret_cast<std::uintptr_t>(data)));
}

std::int64_t gemm_leading_dimension(const ConstMatrixView& m) {
  return m.rows > 1 ? m.stride : (m.cols + 7) / 8 * 8;
}

double GemmProduct::flops() const {
  return 2.0 * static_cast<double>(tokens) * static_cast<double>(outputs) *
         static_cast<double>(inputs);
}

GemmKey GemmProduct::key() const {
  return {.kind = kind,
          .addend = addend,
          .tokens = token_bucket(tokens),
          .outputs = outputs,
          .inputs = inputs,
          .strides = {gemm_leading_dimension(a), gemm_leading_dimension(b),
                      gemm_leading_dimension(c), gemm_leading_dimension(d)},
          .alignments = {gemm_alignment_of(a.data), gemm_alignment_of(b.data),
                         gemm_alignment_of(c.data), gemm_alignment_of(d.data)},
          .bias_alignment = bias == nullptr ? 0 : kGemmBiasAlignment};
}

GemmProduct GemmProduct::part(std::int64_t t, std::int64_t n) const {
  GemmProduct p = *this;
  p.tokens = t;
  p.b = b.row_range(0, t);
  if (kind == GemmKind::backward_weight) {
    p.outputs = n;
    p.a = a.row_range(0, t);
    p.b = p.b.col_range(0, n);
    p.c = c.row_range(0, n);
    p.d = d.row_range(0, n);
  } else {
    p.c = c.row_range(0, t);
    p.d = d.row_range(0, t);
  }
  return p;
}

std::string GemmProduct::text() const {
  static constexpr const char* kNames[] = {"linear_forward", "linear_backward_input",
                                           "linear_backward_weight"};
  return fmt::format("{} T = {}, N = {}, K = {}", kNames[static_cast<int>(kind)], tokens, outputs,
                     inputs);
}

GemmDescriptors::GemmDescriptors(const GemmProduct& product)
    : kind_(product.kind),
      has_bias_(product.bias != nullptr),
      tokens_(product.tokens),
      a_(make_layout(product.a)),
      b_(make_layout(product.b)),
      c_(product.addend == GemmAddend::separate ? make_layout(product.c) : nullptr),
      d_(make_layout(product.d)) {
  cublasLtMatmulDesc_t created = nullptr;
  LONGHAUL_CUBLAS_CHECK(cublasLtMatmulDescCreate(&created, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                        product.text());
  operation_.reset(created);
  const auto transposed = [](bool yes) {
    return static_cast<std::int32_t>(yes ? CUBLAS_OP_T : CUBLAS_OP_N);
  };
  set(created, CUBLASLT_MATMUL_DESC_TRANSA, transposed(kind_ == GemmKind::forward));
  set(created, CUBLASLT_MATMUL_DESC_TRANSB, transposed(kind_ == GemmKind::backward_weight));
  if (has_bias_) {  // its type is D's by default
    set(created, CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<std::uint32_t>(CUBLASLT_EPILOGUE_BIAS));
    set_any_bias();
  }
}

GemmDescriptors::Layout GemmDescriptors::make_layout(const ConstMatrixView& m) {
  cublasLtMatrixLayout_t created = nullptr;
  LONGHAUL_CUBLAS_CHECK(
      cublasLtMatrixLayoutCreate(&created, lt_type(m.dtype), static_cast<std::uint64_t>(m.cols),
                                 static_cast<std::uint64_t>(m.rows), gemm_leading_dimension(m)),
      fmt::format("layout of a matrix [{}, {}], stride {}", m.rows, m.cols, m.stride));
  return Layout(created);
}

void GemmDescriptors::set_tokens(std::int64_t tokens) {
  if (tokens == tokens_) return;
  tokens_ = 0;  // unknown if one of the following fails
  set_cols(b_.get(), tokens);
  if (kind_ == GemmKind::backward_weight) {
    set_cols(a_.get(), tokens);
  } else {
    if (c_) set_cols(c_.get(), tokens);
    set_cols(d_.get(), tokens);
  }
  tokens_ = tokens;
}

void GemmDescriptors::set_bias(const void* bias) {
  if (has_bias_) set(operation_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
}

void GemmDescriptors::set_any_bias() {
  // Never dereferenced: the library only looks at how it is aligned.
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  set_bias(reinterpret_cast<const void*>(std::uintptr_t{kGemmBiasAlignment}));
}

cublasStatus_t GemmLibrary::launch(GemmDescriptors& descriptors, const GemmProduct& p,
                                   const cublasLtMatmulAlgo_t& algorithm,
                                   cudaStream_t stream) const {
  const float alpha = 1.0F;
  const float beta = p.addend == GemmAddend::none ? 0.0F : 1.0F;
  descriptors.set_bias(p.bias);
  const cublasStatus_t status =
      cublasLtMatmul(handle, descriptors.operation(), &alpha, p.a.data, descriptors.a(), p.b.data,
                     descriptors.b(), &beta, p.c.data, descriptors.c(), p.d.data, descriptors.d(),
                     &algorithm, workspace, workspace_bytes, stream);
  if (status != CUBLAS_STATUS_SUCCESS) cudaGetLastError();  // or the next check would report it
  return status;
}

std::vector<cublasLtMatmulAlgo_t> GemmLibrary::suggestions(GemmDescriptors& descriptors,
                                                           const GemmKey& key,
                                                           std::uint32_t reduction_schemes,
                                                           int count) const {
  cublasLtMatmulPreference_t preference = nullptr;
  LONGHAUL_CUBLAS_CHECK(cublasLtMatmulPreferenceCreate(&preference), key.text());
  const std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, DestroyCublasLt> owner(preference);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
      static_cast<std::uint64_t>(workspace_bytes));
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reduction_schemes);
  constexpr cublasLtMatmulPreferenceAttributes_t kAlignments[] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  for (std::size_t i = 0; i < key.alignments.size(); ++i) {
    set(preference, kAlignments[i], static_cast<std::uint32_t>(key.alignments[i]));
  }
  descriptors.set_any_bias();
  std::vector<cublasLtMatmulHeuristicResult_t> results(static_cast<std::size_t>(count));
  int found = 0;
  std::vector<cublasLtMatmulAlgo_t> algorithms;
  // A combination that the library does not know is an error to it; our callers have other ways.
  if (cublasLtMatmulAlgoGetHeuristic(handle, descriptors.operation(), descriptors.a(),
                                     descriptors.b(), descriptors.c(), descriptors.d(), preference,
                                     count, results.data(), &found) != CUBLAS_STATUS_SUCCESS) {
    return algorithms;
  }
  for (int i = 0; i < found; ++i) {
    const cublasLtMatmulHeuristicResult_t& result = results[static_cast<std::size_t>(i)];
    if (result.state == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= workspace_bytes) {
      algorithms.push_back(result.algo);
    }
  }
  return algorithms;
}

bool GemmLibrary::accepts(GemmDescriptors& descriptors,
                          const cublasLtMatmulAlgo_t& algorithm) const {
  descriptors.set_any_bias();
  cublasLtMatmulHeuristicResult_t result{};
  return cublasLtMatmulAlgoCheck(handle, descriptors.operation(), descriptors.a(), descriptors.b(),
                                 descriptors.c(), descriptors.d(), &algorithm,
                                 &result) == CUBLAS_STATUS_SUCCESS &&
         result.workspaceSize <= workspace_bytes;
}

}  // namespace longhaul
