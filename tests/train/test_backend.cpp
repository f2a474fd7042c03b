#include "train/test_backend.h"

#include <cstdlib>

#include "comm/mpi_communicator.h"
#include "comm/mpi_runtime.h"
#include "core/error.h"
#include "core/log.h"
#include "train/rounding_backend.h"
#if LONGHAUL_HAS_CUDA
#include <cuda_runtime_api.h>

#include "comm/nccl_communicator.h"
#include "compute/cuda/cuda_backend.h"
#include "compute/cuda/device/device.h"
#include "runtime/select_device.h"
#endif

namespace longhaul::testing {
namespace {

/// Of a variable of the environment that is not set: `otherwise`.
std::string environment(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

#if LONGHAUL_HAS_CUDA

AttentionChoice attention_choice(const std::string& given) {
  const std::string name = given.empty() ? environment("LONGHAUL_TEST_ATTENTION", "auto") : given;
  if (name == "auto") return AttentionChoice::automatic;
  if (name == "cudnn") return AttentionChoice::cudnn;
  if (name == "flash") return AttentionChoice::flash;
  user_error("attention {}: choose auto, cudnn or flash", name);
}

/// One, or as many as it takes where a host has more ranks than GPUs.
int ranks_per_gpu(const Coordinator& coordinator) {
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus < 1) gpus = 1;
  return (coordinator.local_size() + gpus - 1) / gpus;
}

std::shared_ptr<Backend> open_gpu(Coordinator& coordinator, const TestDevice& options) {
  if (const auto problem = cuda::cuda_problem()) user_error("{}", *problem);
  const int device = cuda::select_device(coordinator, ranks_per_gpu(coordinator)).device;
  return std::make_shared<Backend>(
      make_cuda_backend({.device = device,
                         .deterministic = options.deterministic,
                         .attention = attention_choice(options.attention)}));
}

Communicators connect_gpus(Coordinator& coordinator, const ProcessGrid& grid) {
  const Log log(coordinator.rank(), coordinator.host());
  return make_nccl_communicators(coordinator, grid, {.ranks_per_gpu = ranks_per_gpu(coordinator)},
                                 log);
}

#else

std::shared_ptr<Backend> open_gpu(Coordinator& /*coordinator*/, const TestDevice& /*options*/) {
  user_error("LONGHAUL_TEST_BACKEND=cuda: this program was built without the CUDA backend");
}

Communicators connect_gpus(Coordinator& /*coordinator*/, const ProcessGrid& /*grid*/) {
  LONGHAUL_CHECK(false, "no CUDA");
  return {};
}

#endif

struct OpenedBackend {
  std::shared_ptr<Backend> backend;
  Numbers numbers;
};

OpenedBackend open_backend(Coordinator& coordinator, const TestDevice& device) {
  const std::string name = environment("LONGHAUL_TEST_BACKEND", "cpu");
  if (name == "cpu")
    return {std::make_shared<Backend>(make_cpu_backend(device.cpu_threads)), Numbers::fp32};
  if (name == "cpu_bf16") {
    return {std::make_shared<Backend>(rounding_backend(make_cpu_backend(device.cpu_threads))),
            Numbers::bf16};
  }
  if (name == "cuda") return {open_gpu(coordinator, device), Numbers::bf16};
  user_error("LONGHAUL_TEST_BACKEND={}: choose cpu, cpu_bf16 or cuda", name);
}

}  // namespace

TestRank TestRank::alone(const TestDevice& device) {
  const std::unique_ptr<Coordinator> coordinator = make_solo_coordinator();
  OpenedBackend opened = open_backend(*coordinator, device);
  return alone_on(std::move(opened.backend), opened.numbers);
}

TestRank TestRank::of_world() {
  TestRank rank;
  rank.coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
  OpenedBackend opened = open_backend(*rank.coordinator_, {});
  rank.backend_ = std::move(opened.backend);
  rank.numbers_ = opened.numbers;
  rank.has_mpi_ = true;
  return rank;
}

TestRank TestRank::alone_on(std::shared_ptr<Backend> backend, Numbers numbers) {
  TestRank rank;
  rank.coordinator_ = make_solo_coordinator();
  rank.backend_ = std::move(backend);
  rank.numbers_ = numbers;
  return rank;
}

std::unique_ptr<RankGroups> TestRank::connect(const ParallelLayout& layout) const {
  const ProcessGrid grid(layout, coordinator_->rank());
  if (backend_->device->kind() != DeviceKind::cpu) {
    return std::make_unique<RankGroups>(grid, connect_gpus(*coordinator_, grid));
  }
  return std::make_unique<RankGroups>(
      grid, has_mpi_ ? make_mpi_communicators(MPI_COMM_WORLD, grid) : make_self_communicators());
}

}  // namespace longhaul::testing
