#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "preflight/check_list.h"

namespace longhaul::preflight {

/// A GPU that a rank may use.
struct GpuFact {
  std::string name;
  std::string uuid;
  std::int64_t memory_bytes = 0;
  std::int64_t memory_free = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(GpuFact, name, uuid, memory_bytes, memory_free)

/// A GPU as CUDA shows it to a rank.
struct CudaDeviceFact {
  std::string uuid;
  std::string problem;  // why this program cannot run on it; empty: it can
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(CudaDeviceFact, uuid, problem)

/// What one rank finds of GPUs.
struct GpusFact {
  std::string driver;            // version; empty without one
  std::vector<GpuFact> gpus;     // by the management library, as far as they are visible
  bool built_with_cuda = false;  // this program
  std::string cuda_problem;      // why CUDA cannot be used at all
  std::vector<CudaDeviceFact> cuda_devices;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(GpusFact, driver, gpus, built_with_cuda, cuda_problem,
                                   cuda_devices)

/// Opens no GPU.
GpusFact look_at_gpus();

/// The same GPUs on every rank; one for each rank, or for `ranks_per_gpu`; that this program runs
/// on; with little of their memory in use. `backend`: the value of --backend.
Verdict judge_gpus(const std::vector<Seen<GpusFact>>& all, const std::string& backend,
                   int ranks_per_gpu);

}  // namespace longhaul::preflight
