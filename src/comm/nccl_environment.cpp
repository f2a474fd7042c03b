#include "comm/nccl_environment.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/error.h"

namespace longhaul {

std::vector<EnvironmentSetting> nccl_environment(const NcclJob& job) {
  using Precedence = EnvironmentSetting::Precedence;
  std::vector<EnvironmentSetting> settings;
  settings.push_back({"NCCL_LAUNCH_ORDER_IMPLICIT", "1", Precedence::user});
  if (job.deterministic) settings.push_back({"NCCL_ALGO", "Ring", Precedence::user});
  if (job.ranks_per_gpu <= 1) return settings;
  settings.push_back(
      {"NCCL_HOSTID", fmt::format("{}-rank{}", job.host, job.rank), Precedence::ours});
  settings.push_back({"NCCL_NVLS_ENABLE", "0", Precedence::user});
  if (job.one_host) {
    settings.push_back({"NCCL_SOCKET_IFNAME", "lo", Precedence::user});
    settings.push_back({"NCCL_IB_DISABLE", "1", Precedence::user});
  }
  return settings;
}

void apply_environment(const std::vector<EnvironmentSetting>& settings) {
  for (const EnvironmentSetting& setting : settings) {
    const int overwrite = setting.precedence == EnvironmentSetting::Precedence::ours ? 1 : 0;
    LONGHAUL_CHECK(setenv(setting.name.c_str(), setting.value.c_str(), overwrite) == 0, "{}={}: {}",
                   setting.name, setting.value, std::strerror(errno));
  }
}

bool mps_is_running() {
  const char* const directory = std::getenv("CUDA_MPS_PIPE_DIRECTORY");
  const std::filesystem::path folder =
      directory != nullptr && *directory != '\0' ? directory : "/tmp/nvidia-mps";
  std::error_code none;
  return std::filesystem::exists(folder / "control", none);
}

}  // namespace longhaul
