// Choosing and describing a GPU: the logic without a GPU, and what this host says.
#include "compute/cuda/device/device.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "compute/cuda/device/device_choice.h"
#include "compute/cuda/device/device_monitor.h"
#include "core/error.h"
#include "runtime/select_device.h"

namespace longhaul::cuda {
namespace {

/// `count` ranks of `host`, all of which see `uuids`.
void add_ranks(std::vector<RankDevices>* ranks, const std::string& host, int count,
               const std::vector<std::string>& uuids) {
  for (int i = 0; i < count; ++i) ranks->push_back({host, uuids});
}

std::vector<int> choices(const std::vector<RankDevices>& ranks, int ranks_per_gpu) {
  std::vector<int> devices;
  for (int rank = 0; rank < static_cast<int>(ranks.size()); ++rank) {
    devices.push_back(choose_device(ranks, rank, ranks_per_gpu).device);
  }
  return devices;
}

/// The text of the UserError that `rank` gets; empty when it gets none.
std::string complaint(const std::vector<RankDevices>& ranks, int rank, int ranks_per_gpu) {
  try {
    choose_device(ranks, rank, ranks_per_gpu);
  } catch (const UserError& error) {
    return error.what();
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ChooseDevice, LocalRankWhenEveryRankSeesEveryGpu) {
  std::vector<RankDevices> ranks;
  add_ranks(&ranks, "node1", 4, {"GPU-a", "GPU-b", "GPU-c", "GPU-d"});
  add_ranks(&ranks, "node2", 4, {"GPU-e", "GPU-f", "GPU-g", "GPU-h"});
  EXPECT_EQ(choices(ranks, 1), (std::vector<int>{0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT_EQ(choose_device(ranks, 6, 1).uuid, "GPU-g");
}

TEST(ChooseDevice, RanksOfHostsMayBeInterleaved) {
  std::vector<RankDevices> ranks;
  for (int i = 0; i < 3; ++i) {
    add_ranks(&ranks, "node1", 1, {"GPU-a", "GPU-b", "GPU-c"});
    add_ranks(&ranks, "node2", 1, {"GPU-d", "GPU-e", "GPU-f"});
  }
  EXPECT_EQ(choices(ranks, 1), (std::vector<int>{0, 0, 1, 1, 2, 2}));
}

TEST(ChooseDevice, DeviceZeroWhenTheLauncherShowsEachRankItsOwn) {
  std::vector<RankDevices> ranks;
  for (const char* const uuid : {"GPU-a", "GPU-b", "GPU-c"}) add_ranks(&ranks, "node1", 1, {uuid});
  EXPECT_EQ(choices(ranks, 1), (std::vector<int>{0, 0, 0}));
}

TEST(ChooseDevice, RanksOfASocketShareItsGpus) {
  std::vector<RankDevices> ranks;
  add_ranks(&ranks, "node1", 2, {"GPU-a", "GPU-b"});
  add_ranks(&ranks, "node1", 2, {"GPU-c", "GPU-d"});
  EXPECT_EQ(choices(ranks, 1), (std::vector<int>{0, 1, 0, 1}));
}

TEST(ChooseDevice, SeveralRanksAGpu) {
  std::vector<RankDevices> ranks;
  add_ranks(&ranks, "node1", 8, {"GPU-a", "GPU-b"});
  EXPECT_EQ(choices(ranks, 4), (std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(choices(ranks, 8), (std::vector<int>(8, 0)));
  std::vector<RankDevices> bound;  // each rank shown one of two GPUs
  add_ranks(&bound, "node1", 2, {"GPU-a"});
  add_ranks(&bound, "node1", 2, {"GPU-b"});
  EXPECT_EQ(choices(bound, 2), (std::vector<int>{0, 0, 0, 0}));
}

TEST(ChooseDevice, TooFewGpusNamesRanksHostAndRemedy) {
  std::vector<RankDevices> ranks;
  add_ranks(&ranks, "node1", 4, {"GPU-a", "GPU-b", "GPU-c", "GPU-d"});
  add_ranks(&ranks, "node2", 4, {"GPU-e", "GPU-f"});
  for (const int rank : {0, 3, 4, 5}) EXPECT_EQ(complaint(ranks, rank, 1), "");
  const std::string text = complaint(ranks, 6, 1);
  EXPECT_TRUE(contains(text, "ranks 4, 5, 6 and 7 on node2 share 2 GPUs")) << text;
  EXPECT_TRUE(contains(text, "no GPU is left for rank 6")) << text;
  EXPECT_TRUE(contains(text, "Start 2 ranks there")) << text;
  EXPECT_TRUE(contains(text, "--ranks_per_gpu 2")) << text;
  EXPECT_EQ(complaint(ranks, 6, 2), "");
}

TEST(ChooseDevice, OneGpuForTwoRanks) {
  std::vector<RankDevices> ranks;
  add_ranks(&ranks, "node1", 2, {"GPU-a"});
  const std::string text = complaint(ranks, 1, 1);
  EXPECT_TRUE(contains(text, "ranks 0 and 1 on node1 share one GPU (GPU-a)")) << text;
  EXPECT_TRUE(contains(text, "Start 1 rank there")) << text;
  EXPECT_EQ(complaint(ranks, 1, 2), "");
}

TEST(ChooseDevice, ListsThatOverlapMeetOnOneGpu) {
  std::vector<RankDevices> ranks;
  add_ranks(&ranks, "node1", 1, {"GPU-a", "GPU-b"});
  add_ranks(&ranks, "node1", 1, {"GPU-a"});
  add_ranks(&ranks, "node1", 1, {"GPU-c", "GPU-a"});
  const std::string text = complaint(ranks, 1, 1);
  EXPECT_TRUE(contains(text, "ranks 0 and 1 on node1 all use GPU-a")) << text;
  EXPECT_TRUE(contains(text, "--ranks_per_gpu 2")) << text;
  EXPECT_EQ(complaint(ranks, 2, 1), "");
  // Lists that are rotated, so that each rank's own GPU comes first.
  std::vector<RankDevices> rotated;
  add_ranks(&rotated, "node1", 1, {"GPU-a", "GPU-b"});
  add_ranks(&rotated, "node1", 1, {"GPU-b", "GPU-a"});
  EXPECT_EQ(choices(rotated, 1), (std::vector<int>{0, 0}));
}

TEST(ChooseDevice, RefusesLessThanOneRankAGpu) {
  std::vector<RankDevices> ranks;
  add_ranks(&ranks, "node1", 1, {"GPU-a"});
  EXPECT_TRUE(contains(complaint(ranks, 0, 0), "--ranks_per_gpu 0"));
}

TEST(Architectures, MachineCodePtxAndVariants) {
  EXPECT_TRUE(architectures_include("90a-real", 9, 0));
  EXPECT_FALSE(architectures_include("90a-real", 10, 0));
  EXPECT_FALSE(architectures_include("90a", 10, 0));
  EXPECT_FALSE(architectures_include("90a-real", 8, 0));
  EXPECT_TRUE(architectures_include("80-real", 8, 0));
  EXPECT_TRUE(architectures_include("80-real", 8, 9));
  EXPECT_FALSE(architectures_include("86-real", 8, 0));
  EXPECT_FALSE(architectures_include("80-real", 9, 0));
  EXPECT_TRUE(architectures_include("80", 9, 0));
  EXPECT_TRUE(architectures_include("80-virtual", 12, 0));
  EXPECT_FALSE(architectures_include("90", 8, 9));
  EXPECT_TRUE(architectures_include("90a-real 100f-real", 10, 3));
  EXPECT_FALSE(architectures_include("90a-real 100f", 12, 0));
  EXPECT_TRUE(architectures_include("native", 7, 5));
  EXPECT_FALSE(architectures_include("", 9, 0));
}

TEST(UnusableCuda, SaysWhatToDo) {
  const std::string none = unusable_cuda_text(cudaErrorInsufficientDriver, "x", 0, 13000);
  EXPECT_TRUE(contains(none, "no NVIDIA driver")) << none;
  EXPECT_TRUE(contains(none, "CUDA 13.0")) << none;
  const std::string old = unusable_cuda_text(cudaErrorInsufficientDriver, "x", 12040, 13010);
  EXPECT_TRUE(contains(old, "CUDA 12.4")) << old;
  EXPECT_TRUE(contains(old, "CUDA 13.1")) << old;
  const std::string stub = unusable_cuda_text(cudaErrorStubLibrary, "x", 0, 13000);
  EXPECT_TRUE(contains(stub, "LD_LIBRARY_PATH")) << stub;
  const std::string empty = unusable_cuda_text(cudaErrorNoDevice, "x", 13000, 13000);
  EXPECT_TRUE(contains(empty, "CUDA_VISIBLE_DEVICES")) << empty;
  const std::string other = unusable_cuda_text(999, "unknown error", 13000, 13000);
  EXPECT_TRUE(contains(other, "unknown error")) << other;
  for (const std::string& text : {none, old, stub, empty, other}) {
    EXPECT_TRUE(contains(text, "--backend cpu")) << text;
  }
}

TEST(DevicePeak, VariantsOfOneName) {
  EXPECT_EQ(device_peak("NVIDIA H100 80GB HBM3").bf16_flops, 989e12);
  EXPECT_EQ(device_peak("NVIDIA H100 80GB HBM3").memory_bandwidth, 3.35e12);
  EXPECT_EQ(device_peak("NVIDIA H100 PCIe").bf16_flops, 756e12);
  EXPECT_EQ(device_peak("NVIDIA H100 NVL").bf16_flops, 836e12);
  EXPECT_EQ(device_peak("NVIDIA H200").bf16_flops, 989e12);
  EXPECT_EQ(device_peak("NVIDIA H200").memory_bandwidth, 4.8e12);
  EXPECT_EQ(device_peak("NVIDIA H20").bf16_flops, 148e12);
  EXPECT_EQ(device_peak("NVIDIA A100-SXM4-80GB").bf16_flops, 312e12);
  EXPECT_EQ(device_peak("NVIDIA A100-SXM4-40GB").memory_bandwidth, 1.555e12);
  EXPECT_EQ(device_peak("NVIDIA B200").bf16_flops, 2250e12);
  EXPECT_EQ(device_peak("NVIDIA L40S").bf16_flops, 362e12);
  EXPECT_EQ(device_peak("NVIDIA GeForce RTX 4090").bf16_flops, 0.0);
}

TEST(UuidText, IsTheFormOfNvidiaSmi) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(0x11 * i);
  EXPECT_EQ(uuid_text(bytes), "GPU-00112233-4455-6677-8899-aabbccddeeff");
}

/// A library that answers as NVIDIA's management library does: where it was built, or where the
/// environment says, so that this program runs elsewhere.
const char* fake_nvml() {
  const char* const moved = std::getenv("LONGHAUL_FAKE_NVML");
  return moved != nullptr ? moved : LONGHAUL_FAKE_NVML;
}

TEST(DeviceMonitor, ReadsTheLibrary) {
  DeviceMonitor monitor("GPU-known", fake_nvml());
  const auto sample = monitor.sample();
  ASSERT_TRUE(sample.has_value());
  EXPECT_EQ(sample->sm_clock_mhz, 1755);
  EXPECT_EQ(sample->memory_clock_mhz, 2619);
  EXPECT_DOUBLE_EQ(sample->power_w, 650.5);
  EXPECT_EQ(sample->temperature_c, 0);  // this one it does not tell
  const DeviceMonitor moved = std::move(monitor);
  EXPECT_TRUE(moved.sample().has_value());
}

TEST(DeviceMonitor, QuietlyGivesNothing) {
  EXPECT_FALSE(DeviceMonitor("GPU-unknown", fake_nvml()).sample().has_value());
  EXPECT_FALSE(DeviceMonitor("GPU-known", "no-such-library.so.1").sample().has_value());
  EXPECT_FALSE(DeviceMonitor("GPU-known", "libc.so.6").sample().has_value());
}

TEST(ThisHost, WithoutAUsableGpuSaysWhatToDo) {
  const auto problem = cuda_problem();
  if (!problem) GTEST_SKIP() << "there is a GPU";
  EXPECT_TRUE(contains(*problem, "--backend cpu")) << *problem;
  const auto coordinator = make_solo_coordinator();
  try {
    select_device(*coordinator, 1);
    FAIL() << "chose a GPU";
  } catch (const CollectiveError& error) {
    EXPECT_EQ(error.what(), *problem);
    EXPECT_EQ(error.exit_code(), kExitUserError);
  }
}

TEST(ThisHost, DescribesItsGpu) {
  if (const auto problem = cuda_problem()) GTEST_SKIP() << *problem;
  const auto coordinator = make_solo_coordinator();
  const DeviceInfo device = select_device(*coordinator, 1);
  EXPECT_EQ(device.device, 0);
  EXPECT_FALSE(device.name.empty());
  EXPECT_EQ(device.uuid.size(), 40U);
  EXPECT_GE(device.major, 8);
  EXPECT_GT(device.multiprocessors, 0);
  EXPECT_GT(device.memory_bytes, std::size_t{1} << 30);
  EXPECT_GT(device.l2_bytes, std::size_t{1} << 20);
  EXPECT_GT(device.memory_bandwidth, 1e11);
  RecordProperty("gpu_name", device.name);
  fmt::print("{}: {}, {} multiprocessors, {:.0f} GB/s, {:.0f} TFLOP/s\n", device.name, device.uuid,
             device.multiprocessors, device.memory_bandwidth / 1e9, device.bf16_flops / 1e12);
  if (const auto sample = DeviceMonitor(device.uuid).sample()) {
    EXPECT_GT(sample->sm_clock_mhz, 0);
    fmt::print("{} MHz, memory {} MHz, {} W, {} C\n", sample->sm_clock_mhz,
               sample->memory_clock_mhz, sample->power_w, sample->temperature_c);
  }
}

}  // namespace
}  // namespace longhaul::cuda
