#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul::cuda {

// The part of choosing a GPU that needs no GPU.

/// What one rank sees.
struct RankDevices {
  std::string host;
  std::vector<std::string> uuids;  // of the visible GPUs, in the order of their numbers
};

struct DeviceChoice {
  int device = 0;  // number among the visible ones
  std::string uuid;
};

/// The GPU of rank `rank`, of all `ranks` of the job.
///
/// Launchers differ: mpirun shows every GPU of a host to each of its ranks, Slurm may show each
/// rank its own one (--gpus-per-task) or those of its socket. So the ranks that see the same list
/// of GPUs share them out among themselves: the i-th of them takes GPU i / ranks_per_gpu. With
/// every GPU visible everywhere that is local rank / ranks_per_gpu; with one GPU shown to each, GPU
/// 0.
///
/// Throws UserError on the ranks concerned when there are too few GPUs, or when two ranks meet on
/// one (the same UUID) without --ranks_per_gpu.
DeviceChoice choose_device(std::span<const RankDevices> ranks, int rank, int ranks_per_gpu);

/// Can a program built for `architectures` run on a GPU of this compute capability?
/// architectures: CMAKE_CUDA_ARCHITECTURES, separated by spaces: "90a-real", "80-real 90".
///   N-real     machine code: the same generation, and not an older member of it
///   N, N-virtual  PTX too: any newer one
///   Na         one compute capability only
///   Nf         the same family
/// Words such as "native" say nothing; then it can.
bool architectures_include(std::string_view architectures, int major, int minor);

/// Why CUDA cannot be used, and what to do. `code` is the cudaError_t of the first CUDA call,
/// `reason` its text; versions as CUDA gives them: 13000 is 13.0, 0 means that there is no driver.
std::string unusable_cuda_text(int code, std::string_view reason, int driver_version,
                               int runtime_version);

/// Dense peak of the tensor cores in BF16 with FP32 accumulation, FLOP/s, and memory bandwidth,
/// bytes/s, as published for the product; 0 when it is not known.
struct DevicePeak {
  double bf16_flops = 0.0;
  double memory_bandwidth = 0.0;
};

/// name: "NVIDIA H100 80GB HBM3", as CUDA gives it.
DevicePeak device_peak(std::string_view name);

/// "GPU-2f0e9c3a-....": the form that nvidia-smi and NVML use. 16 bytes.
std::string uuid_text(std::span<const std::uint8_t, 16> bytes);

}  // namespace longhaul::cuda
