#include "compute/cuda/cuda_backend.h"

#include <nvtx3/nvToolsExt.h>

#include "compute/cuda/flash_engine.h"
#if LONGHAUL_HAS_CUDNN
#include "compute/cuda/cudnn_engine.h"
#endif

namespace longhaul {
namespace cuda {
namespace {

// For cuBLASLt and for the partial sums of reductions, which never run at the same time.
constexpr std::size_t kScratchBytes = std::size_t{96} << 20;

std::string algorithm_key(const DeviceInfo& device) {
  return fmt::format("{}, {} SMs", device.name, device.multiprocessors);
}

std::unique_ptr<AttentionEngine> make_attention(const CudaOptions& options) {
  if (options.attention != AttentionChoice::cudnn) return std::make_unique<FlashEngine>();
  if (options.deterministic) {
    user_error(
        "--deterministic true and --attention_backend cudnn exclude each other: cuDNN adds up "
        "gradients in an order that changes; use --attention_backend flash");
  }
  std::string reason = "this program was built without cuDNN";
#if LONGHAUL_HAS_CUDNN
  reason = cudnn_problem();
  if (reason.empty()) return std::make_unique<CudnnEngine>();
#endif
  user_error("--attention_backend cudnn: {}; use --attention_backend flash", reason);
}

}  // namespace

CudaBackend::CudaBackend(const CudaOptions& options)
    : options_(options),
      device_(device_info(options.device)),
      monitor_(device_.uuid),
      stream_(0),
      scratch_(kScratchBytes),
      gemm_(algorithm_key(device_),
            options.deterministic ? TuneMode::heuristic_first : TuneMode::time_candidates),
      attention_(make_attention(options)) {
  gemm_.set_workspace(scratch_.data(), scratch_.bytes());
  if (!options.gemm_file.empty()) gemm_.load_algorithms(options.gemm_file);
  overhead_bytes_ = memory_used();
}

CudaBackend::~CudaBackend() { cudaStreamSynchronize(stream_.get()); }

bool cudnn_usable() {
#if LONGHAUL_HAS_CUDNN
  return cudnn_problem().empty();
#else
  return false;
#endif
}

void CudaBackend::save_gemm_algorithms() {
  if (options_.gemm_file.empty() || !gemm_.algorithms().changed()) return;
  gemm_.save_algorithms(options_.gemm_file);
}

std::optional<Backend::Health> CudaBackend::health() const {
  const auto sample = monitor_.sample();
  if (!sample) return std::nullopt;
  return Health{sample->sm_clock_mhz, sample->power_w, sample->temperature_c};
}

void CudaBackend::begin_range(const char* name) { nvtxRangePushA(name); }
void CudaBackend::end_range() { nvtxRangePop(); }

std::string CudaBackend::describe() const {
  return fmt::format(
      "{} ({} SMs, {:.0f} GiB), attention by {}", device_.name, device_.multiprocessors,
      static_cast<double>(device_.memory_bytes) / (std::int64_t{1} << 30), attention_->name());
}

}  // namespace cuda

std::unique_ptr<cuda::CudaBackend> make_cuda_backend(const CudaOptions& options) {
  LONGHAUL_CUDA_CHECK(cudaSetDevice(options.device), "choosing the GPU");
  return std::make_unique<cuda::CudaBackend>(options);
}

}  // namespace longhaul
