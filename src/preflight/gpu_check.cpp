#include "preflight/gpu_check.h"

#include <algorithm>
#include <map>

#include "compute/cuda/device/device_choice.h"
#include "compute/cuda/device/device_inventory.h"
#include "core/error.h"
#include "core/humanize.h"
#include "preflight/majority.h"
#if LONGHAUL_HAS_CUDA
#include "compute/cuda/device/device.h"
#endif

namespace longhaul::preflight {
namespace {

constexpr double kFreeOfIdle = 0.95;  // an idle GPU's driver takes less than the rest

using All = std::vector<Seen<GpusFact>>;

/// "8 x NVIDIA H100 80GB HBM3", "no GPU"
std::string describe(const std::vector<GpuFact>& gpus) {
  if (gpus.empty()) return "no GPU";
  std::map<std::string, int> counts;
  for (const GpuFact& gpu : gpus) ++counts[gpu.name];
  std::string text;
  for (const auto& [name, count] : counts) {
    text += fmt::format("{}{} x {}", text.empty() ? "" : " and ", count, name);
  }
  return text;
}

void compare_hosts(const All& all, Verdict& verdict) {
  const auto& usual = of_the_majority(all, [](const auto& one) { return describe(one.fact.gpus); });
  const auto& usual_driver = of_the_majority(all, [](const auto& one) { return one.fact.driver; });
  for (const auto& one : all) {
    if (describe(one.fact.gpus) != describe(usual.fact.gpus)) {
      verdict.fail(one,
                   fmt::format("sees {}, rank {} on {} sees {}", describe(one.fact.gpus),
                               usual.rank, usual.host, describe(usual.fact.gpus)),
                   one.fact.gpus.empty()
                       ? "use hosts with equal GPUs; here, check nvidia-smi, CUDA_VISIBLE_DEVICES "
                         "and that the container gets the GPUs; or use --backend cpu"
                       : "use hosts with equal GPUs, or make as many visible as all have "
                         "(CUDA_VISIBLE_DEVICES, Slurm's --gpus-per-node); or use --backend cpu");
    } else if (one.fact.driver != usual_driver.fact.driver) {
      verdict.warn(one,
                   fmt::format("has NVIDIA driver {}, rank {} on {} has {}", one.fact.driver,
                               usual_driver.rank, usual_driver.host, usual_driver.fact.driver),
                   "install the same driver on every host");
    }
  }
}

void check_cuda(const All& all, const std::string& backend, Verdict& verdict) {
  const bool usable = std::any_of(all.begin(), all.end(), [](const auto& one) {
    return one.fact.built_with_cuda && one.fact.cuda_problem.empty();
  });
  for (const auto& one : all) {
    const GpusFact& fact = one.fact;
    if (!fact.built_with_cuda) {
      if (fact.gpus.empty() || backend == "cuda") continue;  // --backend cuda is refused later
      verdict.warn(one,
                   fmt::format("{} here will not be used: this program was built without the "
                               "CUDA backend",
                               describe(fact.gpus)),
                   "build it where nvcc and NCCL are installed; --backend cpu silences this");
    } else if (!fact.cuda_problem.empty() && (usable || backend == "cuda" || !fact.gpus.empty())) {
      auto [what, remedy] = split_advice(fact.cuda_problem);
      if (backend == "cuda") what = fmt::format("--backend cuda: {}", what);
      verdict.findings.push_back(
          {usable || backend == "cuda" ? Severity::failure : Severity::warning, one.rank, one.host,
           std::move(what), std::move(remedy)});
    }
  }
}

void check_memory(const Seen<GpusFact>& one, const std::string& uuid, Verdict& verdict) {
  for (const GpuFact& gpu : one.fact.gpus) {
    if (gpu.uuid != uuid || gpu.memory_bytes == 0) continue;
    const auto total = static_cast<double>(gpu.memory_bytes);
    const auto free = static_cast<double>(gpu.memory_free);
    if (free >= kFreeOfIdle * total) continue;
    verdict.warn(one,
                 fmt::format("{} ({}): {} of {} are in use by another program", gpu.uuid, gpu.name,
                             human_bytes(total - free), human_bytes(total)),
                 "nvidia-smi on this host shows which; end it if it was left behind");
  }
}

/// Which GPU each rank gets, where CUDA works on all of them.
void share_out(const All& all, int ranks_per_gpu, Verdict& verdict) {
  std::vector<cuda::RankDevices> ranks;
  for (const auto& one : all) {
    if (!one.fact.built_with_cuda || !one.fact.cuda_problem.empty()) return;
    cuda::RankDevices devices{one.host, {}};
    for (const CudaDeviceFact& device : one.fact.cuda_devices) devices.uuids.push_back(device.uuid);
    ranks.push_back(std::move(devices));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    try {
      const auto choice = cuda::choose_device(ranks, static_cast<int>(i), ranks_per_gpu);
      const auto& device = all[i].fact.cuda_devices[static_cast<std::size_t>(choice.device)];
      if (!device.problem.empty()) user_error("{}", device.problem);
      check_memory(all[i], device.uuid, verdict);
    } catch (const UserError& error) {
      auto [what, remedy] = split_advice(error.what());
      verdict.fail(all[i], std::move(what), std::move(remedy));
    }
  }
}

}  // namespace

GpusFact look_at_gpus() {
  GpusFact fact;
  const cuda::DeviceInventory inventory = cuda::device_inventory();
  fact.driver = inventory.driver;
  for (const cuda::InstalledDevice& device : inventory.devices) {
    fact.gpus.push_back({device.name, device.uuid, device.memory_bytes, device.memory_free});
  }
#if LONGHAUL_HAS_CUDA
  fact.built_with_cuda = true;
  if (const auto problem = cuda::cuda_problem()) {
    fact.cuda_problem = *problem;
    return fact;
  }
  for (const cuda::DeviceInfo& device : cuda::visible_device_infos()) {
    CudaDeviceFact seen{device.uuid, ""};
    try {
      cuda::check_supported(device);
    } catch (const UserError& error) {
      seen.problem = error.what();
    }
    fact.cuda_devices.push_back(std::move(seen));
  }
#endif
  return fact;
}

Verdict judge_gpus(const std::vector<Seen<GpusFact>>& all, const std::string& backend,
                   int ranks_per_gpu) {
  Verdict verdict;
  if (backend == "cpu") {
    verdict.summary = "not used (--backend cpu)";
    return verdict;
  }
  compare_hosts(all, verdict);
  check_cuda(all, backend, verdict);
  const bool complete = static_cast<std::size_t>(all.back().rank) + 1 == all.size();
  if (complete && ranks_per_gpu >= 1) share_out(all, ranks_per_gpu, verdict);
  const GpusFact& first = all.front().fact;
  verdict.summary = first.gpus.empty()
                        ? std::string("none")
                        : fmt::format("{} a host, driver {}", describe(first.gpus), first.driver);
  return verdict;
}

}  // namespace longhaul::preflight
