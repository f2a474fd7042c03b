#include "compute/cuda/device/device_choice.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include "core/error.h"

namespace longhaul::cuda {
namespace {

// Values of cudaError_t, which this file does without. tests/compute/device_test.cpp compares them.
constexpr int kErrorStubLibrary = 34;
constexpr int kErrorInsufficientDriver = 35;
constexpr int kErrorNoDevice = 100;

/// "13.0" of 13000
std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

/// "ranks 0, 3 and 5"
std::string list_ranks(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (i > 0) text += i + 1 == ranks.size() ? " and " : ", ";
    text += std::to_string(ranks[i]);
  }
  return text;
}

/// "one GPU (GPU-2f0e9c3a-...)", "4 GPUs"
std::string count_gpus(const std::vector<std::string>& uuids) {
  return uuids.size() == 1 ? fmt::format("one GPU ({})", uuids.front())
                           : fmt::format("{} GPUs", uuids.size());
}

/// Ranks that see exactly the GPUs that `rank` sees, in order. UUIDs are unique in the world, so
/// that ranks of different hosts never do.
std::vector<int> ranks_with_same_view(std::span<const RankDevices> ranks, int rank) {
  std::vector<int> found;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i].uuids == ranks[static_cast<std::size_t>(rank)].uuids) {
      found.push_back(static_cast<int>(i));
    }
  }
  return found;
}

/// The number of the GPU of `rank`, which may be beyond the last one.
std::size_t share_out(std::span<const RankDevices> ranks, int rank, int ranks_per_gpu) {
  const std::vector<int> sharing = ranks_with_same_view(ranks, rank);
  const auto place = std::find(sharing.begin(), sharing.end(), rank) - sharing.begin();
  return static_cast<std::size_t>(place) / static_cast<std::size_t>(ranks_per_gpu);
}

/// The UUID of the GPU of `rank`, empty when its share is beyond its last GPU.
std::string_view chosen_uuid(std::span<const RankDevices> ranks, int rank, int ranks_per_gpu) {
  const auto& uuids = ranks[static_cast<std::size_t>(rank)].uuids;
  const std::size_t device = share_out(ranks, rank, ranks_per_gpu);
  return device < uuids.size() ? std::string_view(uuids[device]) : std::string_view();
}

[[noreturn]] void too_few_devices(std::span<const RankDevices> ranks, int rank, int ranks_per_gpu) {
  const RankDevices& mine = ranks[static_cast<std::size_t>(rank)];
  const std::vector<int> sharing = ranks_with_same_view(ranks, rank);
  const std::size_t room = mine.uuids.size() * static_cast<std::size_t>(ranks_per_gpu);
  const std::size_t enough = (sharing.size() + mine.uuids.size() - 1) / mine.uuids.size();
  user_error(
      "{} on {} share {}, {} a GPU at most: no GPU is left for rank {}. Start {} there, make more "
      "GPUs visible (CUDA_VISIBLE_DEVICES, Slurm's --gpus-per-node), or, for tests, let ranks "
      "share a GPU with --ranks_per_gpu {}",
      list_ranks(sharing), mine.host, count_gpus(mine.uuids),
      ranks_per_gpu == 1 ? "one" : std::to_string(ranks_per_gpu), rank,
      room == 1 ? "1 rank" : fmt::format("{} ranks", room), enough);
}

/// "90a-real": 90, a, real
struct Architecture {
  int number = 0;
  char kind = ' ';
  bool has_ptx = true;
};

/// False when the word names no architecture ("native", "all").
bool parse_architecture(std::string_view word, Architecture* result) {
  const char* const end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data(), end, result->number);
  if (error != std::errc() || result->number < 10) return false;
  std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  if (!suffix.empty() && suffix.front() != '-') {
    result->kind = suffix.front();
    suffix.remove_prefix(1);
  }
  result->has_ptx = suffix != "-real";
  return true;
}

bool runs_on(const Architecture& built, int major, int minor) {
  const int built_major = built.number / 10;
  const int built_minor = built.number % 10;
  if (built.kind == 'a') return major == built_major && minor == built_minor;
  if (major == built_major) return minor >= built_minor;
  return built.kind != 'f' && built.has_ptx && major > built_major;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

DeviceChoice choose_device(std::span<const RankDevices> ranks, int rank, int ranks_per_gpu) {
  if (ranks_per_gpu < 1) user_error("--ranks_per_gpu {}: must be at least 1", ranks_per_gpu);
  const RankDevices& mine = ranks[static_cast<std::size_t>(rank)];
  LONGHAUL_CHECK(!mine.uuids.empty(), "rank {} sees no GPU", rank);
  const std::size_t device = share_out(ranks, rank, ranks_per_gpu);
  if (device >= mine.uuids.size()) too_few_devices(ranks, rank, ranks_per_gpu);

  // Lists that differ may still overlap.
  std::vector<int> together;
  for (int other = 0; other < static_cast<int>(ranks.size()); ++other) {
    if (chosen_uuid(ranks, other, ranks_per_gpu) == mine.uuids[device]) together.push_back(other);
  }
  if (static_cast<int>(together.size()) > ranks_per_gpu) {
    user_error(
        "{} on {} all use {}. Give each rank a GPU of its own: start fewer ranks a host, or show "
        "the ranks all GPUs or different ones (CUDA_VISIBLE_DEVICES, Slurm's --gpus-per-task and "
        "--gpu-bind); or, for tests, let ranks share a GPU with --ranks_per_gpu {}",
        list_ranks(together), mine.host, mine.uuids[device], together.size());
  }
  return {static_cast<int>(device), mine.uuids[device]};
}

bool architectures_include(std::string_view architectures, int major, int minor) {
  while (!architectures.empty()) {
    const std::size_t end = std::min(architectures.find(' '), architectures.size());
    const std::string_view word = architectures.substr(0, end);
    architectures.remove_prefix(std::min(end + 1, architectures.size()));
    if (word.empty()) continue;
    Architecture built;
    if (!parse_architecture(word, &built) || runs_on(built, major, minor)) return true;
  }
  return false;
}

std::string unusable_cuda_text(int code, std::string_view reason, int driver_version,
                               int runtime_version) {
  if (code == kErrorStubLibrary) {
    return "the CUDA Toolkit's stub of libcuda.so.1 was loaded in place of the driver; take its "
           "'stubs' folder out of LD_LIBRARY_PATH, or use --backend cpu";
  }
  if (driver_version == 0) {
    return fmt::format(
        "there is no NVIDIA driver here; start this on a host with an NVIDIA GPU and a driver for "
        "CUDA {} (a container needs the GPU passed through to it), or use --backend cpu",
        version_text(runtime_version));
  }
  if (code == kErrorInsufficientDriver) {
    return fmt::format(
        "the NVIDIA driver is for CUDA {}, this program needs CUDA {}; update the driver, build "
        "with a CUDA Toolkit that is no newer than the driver, or use --backend cpu",
        version_text(driver_version), version_text(runtime_version));
  }
  if (code == kErrorNoDevice) {
    return "CUDA sees no GPU; check CUDA_VISIBLE_DEVICES and nvidia-smi, or use --backend cpu";
  }
  return fmt::format(
      "CUDA cannot be used: {} (driver for CUDA {}, program built with {}); check nvidia-smi, or "
      "use --backend cpu",
      reason, version_text(driver_version), version_text(runtime_version));
}

DevicePeak device_peak(std::string_view name) {
  struct Product {
    std::string_view name;
    DevicePeak peak;
  };
  // NVIDIA's data sheets, figures without sparsity. The first that fits counts, so that variants
  // come before the name that they contain.
  static constexpr std::array kProducts = {
      Product{"GH200", {989e12, 4.0e12}},  // with 96 GB; the 144 GB one has 4.9 TB/s
      Product{"H200 NVL", {836e12, 4.8e12}},
      Product{"H200", {989e12, 4.8e12}},
      Product{"H100 PCIe", {756e12, 2.0e12}},
      Product{"H100 NVL", {836e12, 3.9e12}},
      Product{"H100", {989e12, 3.35e12}},  // SXM
      Product{"H800 PCIe", {756e12, 2.0e12}},
      Product{"H800", {989e12, 3.35e12}},
      Product{"H20", {148e12, 4.0e12}},
      Product{"A100-SXM4-40GB", {312e12, 1.555e12}},
      Product{"A100-PCIE-40GB", {312e12, 1.555e12}},
      Product{"A100 80GB PCIe", {312e12, 1.935e12}},
      Product{"A100", {312e12, 2.039e12}},
      Product{"A800", {312e12, 2.039e12}},
      Product{"B200", {2250e12, 8.0e12}},
      Product{"L40S", {362e12, 0.864e12}},
  };
  for (const Product& product : kProducts) {
    if (contains(name, product.name)) return product.peak;
  }
  return {};
}

std::string uuid_text(std::span<const std::uint8_t, 16> bytes) {
  std::string text = "GPU-";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", bytes[i]);
  }
  return text;
}

}  // namespace longhaul::cuda
