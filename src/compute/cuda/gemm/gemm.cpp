#include "compute/cuda/gemm/gemm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "compute/cuda/gemm/cublas_check.h"
#include "compute/cuda/gemm/gemm_tuning.h"
#include "core/cuda_check.h"
#include "core/tensor/view_checks.h"

namespace longhaul {
namespace {

/// How many suggestions are timed, or tried when an algorithm that should run does not.
constexpr int kCandidates = 24;
/// How many are asked for when only the first is wanted: the first may be one that cannot be used.
constexpr int kFewCandidates = 4;
/// A shorter product takes a few microseconds, whatever computes it.
constexpr double kMinTimedSeconds = 5e-6;
/// Far more shapes than any model has; a bound for programs that never repeat one.
constexpr std::size_t kMaxPlans = 2048;

constexpr std::size_t kMinWorkspaceBytes = std::size_t{1} << 20U;
constexpr std::int64_t kOnes = 65536;
constexpr std::size_t kOnesBytes = kOnes * sizeof(std::uint16_t);
constexpr std::uint16_t kOneBf16 = 0x3F80;

/// Fails unless m is a matrix [rows, cols] that cuBLASLt's 32-bit extents can describe.
void check_matrix(const ConstMatrixView& m, std::int64_t rows, std::int64_t cols, DType dtype,
                  const char* op, const char* name) {
  check_view(m, dtype, rows, cols, op, name);
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  LONGHAUL_CHECK(m.rows <= kMax && m.cols <= kMax, "{}: {} [{}, {}] is too large", op, name, m.rows,
                 m.cols);
}

void fill_zero(const MatrixView& m, const char* op, cudaStream_t stream) {
  const std::size_t bytes = size_of(m.dtype);
  LONGHAUL_CUDA_CHECK(cudaMemset2DAsync(m.data, static_cast<std::size_t>(m.stride) * bytes, 0,
                                        static_cast<std::size_t>(m.cols) * bytes,
                                        static_cast<std::size_t>(m.rows), stream),
                      op);
}

}  // namespace

/// What is remembered of a key.
struct Gemm::Plan {
  explicit Plan(const GemmProduct& product) : descriptors(product) {}

  GemmDescriptors descriptors;
  bool chosen = false;
  std::optional<cublasLtMatmulAlgo_t> bucket_algorithm;  // for every T of the bucket, if it can
  std::int64_t tokens = 0;                               // T that `algorithm` was accepted for
  std::optional<cublasLtMatmulAlgo_t> algorithm;         // none: the library has none
};

Gemm::Gemm(std::string device, TuneMode mode)
    : mode_(mode), cache_(std::move(device), cublasLtGetVersion()) {
  LONGHAUL_CUBLAS_CHECK(cublasLtCreate(&library_.handle), "cublasLtCreate");
  handle_.reset(library_.handle);
}

Gemm::~Gemm() = default;

void Gemm::set_workspace(void* data, std::size_t bytes) {
  LONGHAUL_CHECK(bytes >= kMinWorkspaceBytes && gemm_alignment_of(data) == 256,
                 "a workspace of {} bytes at {} for matrix products", bytes, data);
  // The library's own memory, the vector of ones, and scratch memory behind them.
  const std::size_t own = std::min(bytes, kWorkspaceBytes) / 256 * 256;
  library_.workspace = data;
  library_.workspace_bytes = own - kOnesBytes;
  ones_ = static_cast<std::byte*>(data) + library_.workspace_bytes;
  library_.scratch = static_cast<std::byte*>(data) + own;
  library_.scratch_bytes = bytes - own;
  plans_.clear();  // what was chosen may need more workspace than there is now
}

GemmProduct Gemm::forward_product(ConstMatrixView x, ConstMatrixView w, const void* bias,
                                  ConstMatrixView addend, MatrixView y) {
  GemmProduct product{.kind = GemmKind::forward,
                      .tokens = x.rows,
                      .outputs = w.rows,
                      .inputs = w.cols,
                      .a = w,
                      .b = x,
                      .c = y,
                      .d = y,
                      .bias = bias};
  if (addend.data != nullptr) {
    product.addend = addend.data == y.data ? GemmAddend::in_place : GemmAddend::separate;
    product.c = addend;
  }
  return product;
}

void Gemm::forward(ConstMatrixView x, ConstMatrixView w, const void* bias, ConstMatrixView addend,
                   MatrixView y, cudaStream_t stream) {
  constexpr const char* kOp = "linear_forward";
  check_matrix(x, x.rows, x.cols, DType::bf16, kOp, "x");
  check_matrix(w, w.rows, x.cols, DType::bf16, kOp, "w");
  check_matrix(y, x.rows, w.rows, DType::bf16, kOp, "y");
  if (addend.size() > 0) {
    check_matrix(addend, x.rows, w.rows, DType::bf16, kOp, "addend");
    LONGHAUL_CHECK(addend.data != y.data, "{}: the addend is y", kOp);
  } else {
    addend = ConstMatrixView();
  }
  if (y.size() == 0) return;
  const bool at_once = x.cols > 0 &&
                       (bias == nullptr || gemm_alignment_of(bias) >= kGemmBiasAlignment) &&
                       run(forward_product(x, w, bias, addend, y), stream);
  if (!at_once) forward_in_steps(x, w, bias, addend, y, stream);
}

void Gemm::forward_in_steps(ConstMatrixView x, ConstMatrixView w, const void* bias,
                            ConstMatrixView addend, MatrixView y, cudaStream_t stream) {
  AccumulateMode write = AccumulateMode::overwrite;
  if (addend.data != nullptr) {
    const std::size_t bytes = size_of(y.dtype);
    LONGHAUL_CUDA_CHECK(
        cudaMemcpy2DAsync(y.data, static_cast<std::size_t>(y.stride) * bytes, addend.data,
                          static_cast<std::size_t>(addend.stride) * bytes,
                          static_cast<std::size_t>(y.cols) * bytes,
                          static_cast<std::size_t>(y.rows), cudaMemcpyDeviceToDevice, stream),
        "linear_forward: copying the addend");
    write = AccumulateMode::accumulate;
  }
  if (bias != nullptr) {
    add_bias(bias, y, write, stream);
    write = AccumulateMode::accumulate;
  }
  if (x.cols > 0) {
    const ConstMatrixView so_far = write == AccumulateMode::accumulate ? y : ConstMatrixView();
    run_or_throw(forward_product(x, w, nullptr, so_far, y), stream);
  } else if (write == AccumulateMode::overwrite) {
    fill_zero(y, "linear_forward", stream);
  }
}

/// y [T, N] = or += bias [N] in every row, as a product of rank one: ones [T, 1] bias [N, 1]^T.
void Gemm::add_bias(const void* bias, MatrixView y, AccumulateMode write, cudaStream_t stream) {
  static constexpr auto kHostOnes = [] {
    std::array<std::uint16_t, 256> values{};
    values.fill(kOneBf16);
    return values;
  }();
  constexpr const char* kWhat = "linear_forward: adding the bias";
  LONGHAUL_CHECK(ones_ != nullptr, "set_workspace() comes before any product");
  const std::int64_t rows = std::min(y.rows, kOnes);
  const std::size_t bytes = static_cast<std::size_t>(rows) * sizeof(std::uint16_t);
  std::size_t done = std::min(bytes, sizeof(kHostOnes));
  LONGHAUL_CUDA_CHECK(
      cudaMemcpyAsync(ones_, kHostOnes.data(), done, cudaMemcpyHostToDevice, stream), kWhat);
  while (done < bytes) {
    const std::size_t count = std::min(done, bytes - done);
    LONGHAUL_CUDA_CHECK(cudaMemcpyAsync(static_cast<std::byte*>(ones_) + done, ones_, count,
                                        cudaMemcpyDeviceToDevice, stream),
                        kWhat);
    done += count;
  }
  for (std::int64_t begin = 0; begin < y.rows; begin += rows) {
    const MatrixView part = y.row_range(begin, std::min(rows, y.rows - begin));
    const ConstMatrixView so_far = write == AccumulateMode::accumulate ? part : ConstMatrixView();
    run_or_throw(
        forward_product(ConstMatrixView(ones_, DType::bf16, part.rows, 1),
                        ConstMatrixView(bias, DType::bf16, y.cols, 1), nullptr, so_far, part),
        stream);
  }
}

void Gemm::backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                          AccumulateMode write, cudaStream_t stream) {
  constexpr const char* kOp = "linear_backward_input";
  check_matrix(w, w.rows, w.cols, DType::bf16, kOp, "w");
  check_matrix(dy, dy.rows, w.rows, DType::bf16, kOp, "dy");
  check_matrix(dx, dy.rows, w.cols, DType::bf16, kOp, "dx");
  if (dx.size() == 0) return;
  const bool accumulate = write == AccumulateMode::accumulate;
  if (w.rows == 0) {
    if (!accumulate) fill_zero(dx, kOp, stream);
    return;
  }
  run_or_throw({.kind = GemmKind::backward_input,
                .addend = accumulate ? GemmAddend::in_place : GemmAddend::none,
                .tokens = dy.rows,
                .outputs = w.rows,
                .inputs = w.cols,
                .a = w,
                .b = dy,
                .c = dx,
                .d = dx},
               stream);
}

void Gemm::backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw,
                           AccumulateMode write, cudaStream_t stream) {
  constexpr const char* kOp = "linear_backward_weight";
  check_matrix(dy, dy.rows, dy.cols, DType::bf16, kOp, "dy");
  check_matrix(x, dy.rows, x.cols, DType::bf16, kOp, "x");
  check_matrix(dw, dy.cols, x.cols, DType::f32, kOp, "dw");
  if (dw.size() == 0) return;
  const bool accumulate = write == AccumulateMode::accumulate;
  if (dy.rows == 0) {
    if (!accumulate) fill_zero(dw, kOp, stream);
    return;
  }
  run_or_throw({.kind = GemmKind::backward_weight,
                .addend = accumulate ? GemmAddend::in_place : GemmAddend::none,
                .tokens = dy.rows,
                .outputs = dw.rows,
                .inputs = dw.cols,
                .a = x,
                .b = dy,
                .c = dw,
                .d = dw},
               stream);
}

void Gemm::run_or_throw(const GemmProduct& product, cudaStream_t stream) {
  LONGHAUL_CHECK(run(product, stream), "{}: cuBLASLt {} has no algorithm ({})", product.text(),
                 cublasLtGetVersion(), product.key().text());
}

bool Gemm::run(const GemmProduct& product, cudaStream_t stream) {
  LONGHAUL_CHECK(library_.workspace != nullptr, "set_workspace() comes before any product");
  const GemmKey key = product.key();
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    if (plans_.size() >= kMaxPlans) plans_.clear();
    found = plans_.emplace(key, std::make_unique<Plan>(product)).first;
  }
  Plan& plan = *found->second;
  if (plan.tokens != product.tokens) choose(plan, key, product, stream);
  if (!plan.algorithm.has_value()) return false;
  if (library_.launch(plan.descriptors, product, *plan.algorithm, stream) ==
      CUBLAS_STATUS_SUCCESS) {
    return true;
  }
  // Being accepted is no promise to run. Others may, unless the device itself has failed.
  const cudaError_t error = cudaStreamQuery(stream);
  LONGHAUL_CUDA_CHECK(error == cudaErrorNotReady ? cudaSuccess : error, product.text());
  plan.algorithm.reset();
  for (const cublasLtMatmulAlgo_t& algorithm : suggestions(plan, key, kCandidates)) {
    if (library_.launch(plan.descriptors, product, algorithm, stream) == CUBLAS_STATUS_SUCCESS) {
      plan.algorithm = algorithm;
      return true;
    }
  }
  return false;
}

/// Fills in plan.algorithm, if there is one, for product.tokens.
void Gemm::choose(Plan& plan, const GemmKey& key, const GemmProduct& product, cudaStream_t stream) {
  plan.tokens = 0;
  if (!plan.chosen) {
    if (mode_ == TuneMode::time_candidates) {
      plan.descriptors.set_tokens(product.tokens);
      choose_by_timing(plan, key, product, stream);
    } else {
      // For the bucket's own T, so that the choice does not depend on which T came first.
      plan.descriptors.set_tokens(key.tokens);
      const auto algorithms = suggestions(plan, key, kFewCandidates);
      if (!algorithms.empty()) plan.bucket_algorithm = algorithms.front();
    }
    plan.chosen = true;
  }
  plan.descriptors.set_tokens(product.tokens);
  plan.algorithm.reset();
  if (plan.bucket_algorithm.has_value() &&
      library_.accepts(plan.descriptors, *plan.bucket_algorithm)) {
    plan.algorithm = plan.bucket_algorithm;
  } else {
    const auto algorithms = suggestions(plan, key, kFewCandidates);
    if (!algorithms.empty()) plan.algorithm = algorithms.front();
  }
  plan.tokens = product.tokens;
}

/// Fills in plan.bucket_algorithm, if there is one, from the file or by timing.
void Gemm::choose_by_timing(Plan& plan, const GemmKey& key, const GemmProduct& product,
                            cudaStream_t stream) {
  static_assert(sizeof(GemmAlgorithm::data) == sizeof(cublasLtMatmulAlgo_t));
  if (const GemmAlgorithm* const known = cache_.find(key)) {
    cublasLtMatmulAlgo_t algorithm;
    std::memcpy(&algorithm, known->data.data(), sizeof(algorithm));
    if (library_.accepts(plan.descriptors, algorithm)) {
      plan.bucket_algorithm = algorithm;
      return;
    }
  }
  const auto candidates = suggestions(plan, key, kCandidates);
  if (candidates.empty()) return;
  plan.bucket_algorithm = candidates.front();
  if (candidates.size() == 1 || gemm_least_seconds(product) < kMinTimedSeconds) return;
  const auto fastest = GemmTuning(library_, product, stream).run(candidates);
  if (!fastest.has_value()) return;  // not recorded: a later run may have the memory
  plan.bucket_algorithm = candidates[fastest->index];
  GemmAlgorithm record;
  std::memcpy(record.data.data(), &candidates[fastest->index], sizeof(record.data));
  const auto rounded = [](double tflops) { return std::round(tflops * 10.0) / 10.0; };
  record.tflops = rounded(fastest->tflops);
  record.first_tflops = rounded(fastest->first_tflops);
  cache_.insert(key, record);
}

std::vector<cublasLtMatmulAlgo_t> Gemm::suggestions(Plan& plan, const GemmKey& key,
                                                    int count) const {
  // Sums over split K in the output's type would round partial sums to bf16. For fp32 outputs they
  // are as exact as those through buffers, but to make sure that bits repeat they are left out.
  const bool any_scheme =
      key.kind == GemmKind::backward_weight && mode_ == TuneMode::time_candidates;
  return library_.suggestions(
      plan.descriptors, key,
      any_scheme ? CUBLASLT_REDUCTION_SCHEME_MASK : CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, count);
}

}  // namespace longhaul
