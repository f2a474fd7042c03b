#include "compute/cuda/cuda_backend.h"

#include <nvtx3/nvToolsExt.h>

#include "compute/cuda/attention/flash_engine.h"
#if LONGHAUL_HAS_CUDNN
#include "compute/cuda/cudnn/cudnn_engine.h"
#endif

namespace longhaul {
namespace cuda {
namespace {

// For cuBLASLt and for the partial sums of reductions, which never run at the same time.
constexpr std::size_t kScratchBytes = std::size_t{96} << 20;

std::string algorithm_key(const DeviceInfo& device) {
  return fmt::format("{}, {} SMs", device.name, device.multiprocessors);
}

/// Why cuDNN cannot attend here; empty when it can.
std::string cudnn_obstacle() {
#if LONGHAUL_HAS_CUDNN
  return cudnn_problem();
#else
  return "this program was built without cuDNN";
#endif
}

std::unique_ptr<AttentionEngine> make_attention(const CudaOptions& options) {
  if (options.attention == AttentionChoice::cudnn) {
    if (options.deterministic) {
      user_error(
          "--deterministic true and --attention_backend cudnn exclude each other: cuDNN adds up "
          "gradients in an order that changes; use --attention_backend flash");
    }
    if (const std::string reason = cudnn_obstacle(); !reason.empty()) {
      user_error("--attention_backend cudnn: {}; use --attention_backend flash", reason);
    }
  }
#if LONGHAUL_HAS_CUDNN
  const bool wanted = options.attention == AttentionChoice::cudnn ||
                      (options.attention == AttentionChoice::automatic && !options.deterministic);
  if (wanted && cudnn_usable()) return std::make_unique<CudnnEngine>();
#endif
  return std::make_unique<FlashEngine>();
}

/// Why a run that could choose does without cuDNN: a user would want to know what costs the speed.
std::string attention_remark(const CudaOptions& options) {
  if (options.attention != AttentionChoice::automatic || options.deterministic) return {};
  const std::string reason = cudnn_obstacle();
  return reason.empty() ? reason : fmt::format(" ({})", reason);
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

bool cudnn_usable() { return cudnn_obstacle().empty(); }

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
  return fmt::format("{} ({} SMs, {:.0f} GiB), attention by {}{}", device_.name,
                     device_.multiprocessors,
                     static_cast<double>(device_.memory_bytes) / (std::int64_t{1} << 30),
                     attention_->name(), attention_remark(options_));
}

}  // namespace cuda

std::unique_ptr<cuda::CudaBackend> make_cuda_backend(const CudaOptions& options) {
  LONGHAUL_CUDA_CHECK(cudaSetDevice(options.device), "choosing the GPU");
  return std::make_unique<cuda::CudaBackend>(options);
}

}  // namespace longhaul
