#include "compute/cuda/cuda_ops.h"

namespace longhaul::cuda {
namespace {

// For cuBLASLt and for the partial sums of reductions, which never run at the same time.
constexpr std::size_t kScratchBytes = std::size_t{96} << 20;

}  // namespace

CudaOps::CudaOps(cudaStream_t stream, const Products& products,
                 std::unique_ptr<AttentionEngine> attention)
    : stream_(stream),
      algorithms_(products.algorithms),
      scratch_(kScratchBytes),
      gemm_(products.device, products.mode),
      attention_(std::move(attention)) {
  gemm_.set_workspace(scratch_.data(), scratch_.bytes());
  if (!algorithms_.empty()) gemm_.load_algorithms(algorithms_);
}

void CudaOps::save_learned() {
  if (algorithms_.empty() || !gemm_.algorithms().changed()) return;
  gemm_.save_algorithms(algorithms_);
}

}  // namespace longhaul::cuda
