#include "app/backend_factory.h"

#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "comm/mpi_communicator.h"
#include "core/error.h"
#if LONGHAUL_HAS_CUDA
#include "comm/nccl_communicator.h"
#include "compute/cuda/cuda_backend.h"
#include "compute/cuda/device/device.h"
#include "runtime/select_device.h"
#endif

namespace longhaul {
namespace {

/// Threads of this rank: the flag, else OMP_NUM_THREADS, else its share of the host's cores.
int thread_count(const TrainOptions& options, const Coordinator& coordinator) {
  if (options.threads > 0) return options.threads;
  if (const char* text = std::getenv("OMP_NUM_THREADS"); text != nullptr && std::atoi(text) > 0) {
    return std::atoi(text);
  }
  cpu_set_t cores;
  CPU_ZERO(&cores);
  const int count = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
  return std::max(1, count / coordinator.local_size());
}

#if LONGHAUL_HAS_CUDA

std::filesystem::path gemm_file(const std::string& flag) {
  if (flag == "none") return {};
  if (flag != "auto") return flag;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return std::filesystem::path(cache) / "longhaul" / "gemm_algorithms.jsonl";
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return {};
  return std::filesystem::path(home) / ".cache" / "longhaul" / "gemm_algorithms.jsonl";
}

AttentionChoice attention_choice(const std::string& text) {
  if (text == "auto") return AttentionChoice::automatic;
  if (text == "cudnn") return AttentionChoice::cudnn;
  return AttentionChoice::flash;  // the flag has no other value
}

Backend make_cuda(const TrainOptions& options, Coordinator& coordinator) {
  coordinator.run_collectively([] {
    if (const auto problem = cuda::cuda_problem()) user_error("--backend cuda: {}", *problem);
  });
  const cuda::DeviceInfo device = cuda::select_device(coordinator, options.ranks_per_gpu);
  Backend backend;
  coordinator.run_collectively([&] {
    CudaOptions cuda_options;
    cuda_options.device = device.device;
    cuda_options.deterministic = options.deterministic;
    cuda_options.attention = attention_choice(options.attention_backend);
    cuda_options.gemm_file = gemm_file(options.gemm_cache_file);
    backend = make_cuda_backend(cuda_options);
  });
  return backend;
}

/// Does every rank see a GPU? When some do not, `auto` means the CPU, and the log says why.
bool every_rank_has_cuda(Coordinator& coordinator, const Log& log) {
  const auto problem = cuda::cuda_problem();
  const std::int64_t without = coordinator.sum(std::int64_t{problem ? 1 : 0});
  if (without == 0) return true;
  if (problem) log.info("computing on the CPU: {}", *problem);
  return false;
}

#endif

}  // namespace

Backend make_backend(const TrainOptions& options, Coordinator& coordinator, const Log& log) {
#if LONGHAUL_HAS_CUDA
  if (options.backend == "cuda" ||
      (options.backend == "auto" && every_rank_has_cuda(coordinator, log))) {
    return make_cuda(options, coordinator);
  }
#else
  (void)log;
  coordinator.run_collectively([&] {
    if (options.backend != "cuda") return;
    user_error(
        "--backend cuda: this program was built without the CUDA backend; use --backend cpu, or "
        "build where nvcc and NCCL are installed");
  });
#endif
  return make_cpu_backend(thread_count(options, coordinator));
}

Communicators make_communicators(const Device& device, MPI_Comm world, Coordinator& coordinator,
                                 const ProcessGrid& grid, const TrainOptions& options,
                                 const Log& log) {
#if LONGHAUL_HAS_CUDA
  if (device.kind() == DeviceKind::cuda) {
    return make_nccl_communicators(coordinator, grid,
                                   {options.ranks_per_gpu, options.deterministic}, log,
                                   &coordinator.progress());
  }
#else
  (void)device;
  (void)options;
  (void)log;
#endif
  return make_mpi_communicators(world, grid, &coordinator.progress());
}

void poll_communication(Device& device, const Communicators& comms, ProgressRecord& progress) {
  if (comms[Group::world].size() == 1) return;  // nobody to lose: the host may sleep while it waits
  device.while_waiting(
      [&comms, &progress, reached = std::uint64_t{0}](double seconds) mutable {
        comms.poll_errors();
        const PendingOperation oldest = comms.oldest_unfinished();
        if (std::exchange(reached, oldest.order) != oldest.order) progress.beat();
        progress.wait_for_device(seconds, oldest.group, oldest.label, oldest.bytes);
      },
      [&progress] { progress.end_wait(); });
}

void save_learned(Ops& ops, const Log& log) {
  try {
    ops.save_learned();
  } catch (const std::exception& error) {
    log.warning("the algorithms of matrix products will be timed again next time: {}",
                error.what());
  }
}

}  // namespace longhaul
