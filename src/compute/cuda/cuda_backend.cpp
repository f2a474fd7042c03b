#include "compute/cuda/cuda_backend.h"

#include "compute/cuda/attention/flash_engine.h"
#include "compute/cuda/cuda_ops.h"
#include "compute/cuda/device/cuda_device.h"
#include "compute/cuda/gpu_model.h"
#if LONGHAUL_HAS_CUDNN
#include "compute/cuda/cudnn/cudnn_engine.h"
#endif

namespace longhaul {
namespace cuda {
namespace {

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

AttentionLibrary choose_attention(const CudaOptions& options) {
  if (options.attention == AttentionChoice::cudnn) {
    if (options.deterministic) {
      user_error(
          "--deterministic true and --attention_backend cudnn exclude each other: cuDNN adds up "
          "gradients in an order that changes; use --attention_backend flash");
    }
    if (const std::string reason = cudnn_obstacle(); !reason.empty()) {
      user_error("--attention_backend cudnn: {}; use --attention_backend flash", reason);
    }
    return AttentionLibrary::cudnn;
  }
  const bool wanted = options.attention == AttentionChoice::automatic && !options.deterministic;
  return wanted && cudnn_usable() ? AttentionLibrary::cudnn : AttentionLibrary::own;
}

std::unique_ptr<AttentionEngine> make_engine(AttentionLibrary library) {
#if LONGHAUL_HAS_CUDNN
  if (library == AttentionLibrary::cudnn) return std::make_unique<CudnnEngine>();
#else
  (void)library;
#endif
  return std::make_unique<FlashEngine>();
}

/// Who attends and, where a run could have chosen cuDNN and did not, why: a user would want to know
/// what costs the speed.
std::string attention_remark(const CudaOptions& options, const AttentionEngine& engine) {
  std::string remark = fmt::format("attention by {}", engine.name());
  if (options.attention != AttentionChoice::automatic || options.deterministic) return remark;
  const std::string reason = cudnn_obstacle();
  return reason.empty() ? remark : fmt::format("{} ({})", remark, reason);
}

}  // namespace

bool cudnn_usable() { return cudnn_obstacle().empty(); }

}  // namespace cuda

Backend make_cuda_backend(const CudaOptions& options) {
  LONGHAUL_CUDA_CHECK(cudaSetDevice(options.device), "choosing the GPU");
  const cuda::AttentionLibrary library = cuda::choose_attention(options);
  auto engine = cuda::make_engine(library);
  const cuda::DeviceInfo info = cuda::device_info(options.device);
  auto device = std::make_unique<cuda::CudaDevice>(info, cuda::gpu_model(info.name, library),
                                                   cuda::attention_remark(options, *engine));
  const cuda::CudaOps::Products products{
      cuda::algorithm_key(info),
      options.deterministic ? TuneMode::heuristic_first : TuneMode::time_candidates,
      options.gemm_file};
  auto ops = std::make_unique<cuda::CudaOps>(cuda::native(device->compute_stream()), products,
                                             std::move(engine));
  device->note_overhead();
  return {std::move(device), std::move(ops)};
}

}  // namespace longhaul
