#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longhaul {

/// What of a job decides how NCCL must be told to behave.
struct NcclJob {
  int rank = 0;
  std::string host;
  bool one_host = true;  // all ranks run on one host
  int ranks_per_gpu = 1;
  bool deterministic = false;
};

struct EnvironmentSetting {
  enum class Precedence : std::uint8_t {
    user,  // a value that the user has set stays
    ours,  // another value cannot work
  };
  std::string name;
  std::string value;
  Precedence precedence = Precedence::user;
};

/// What to set before the first NCCL call of this rank.
///
/// Always:
///   NCCL_LAUNCH_ORDER_IMPLICIT=1  The groups of a rank are used from several streams. Collectives
///                                 of two groups that start in different orders on two devices can
///                                 wait for each other for ever, each holding the multiprocessors
///                                 that the other needs. With this setting (NCCL 2.26) a device
///                                 starts them in the order in which the host issued them, which is
///                                 the same on all ranks; they still run side by side.
/// For the same bits in every run:
///   NCCL_ALGO=Ring                Sums are formed in the order of the ring; in the switch's own
///                                 reductions the order is not known.
/// When several ranks share a GPU:
///   NCCL_HOSTID                   NCCL refuses two ranks on one GPU of one host, so that each rank
///                                 pretends to be a host of its own and talks over the network.
///   NCCL_NVLS_ENABLE=0            NVLink multicast has nothing to offer there.
///   NCCL_SOCKET_IFNAME=lo, NCCL_IB_DISABLE=1
///                                 On one host only: the network is the loopback interface.
std::vector<EnvironmentSetting> nccl_environment(const NcclJob& job);

/// Puts the settings into this process's environment. Call it before the first NCCL call and before
/// there are threads that read the environment.
void apply_environment(const std::vector<EnvironmentSetting>& settings);

/// Does NVIDIA's Multi-Process Service seem to run on this host? It leaves a pipe named "control"
/// in $CUDA_MPS_PIPE_DIRECTORY, by default /tmp/nvidia-mps.
bool mps_is_running();

}  // namespace longhaul
