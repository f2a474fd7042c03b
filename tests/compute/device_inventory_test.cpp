#include "compute/cuda/device/device_inventory.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace longhaul::cuda {
namespace {

/// See device_test.cpp.
const char* fake_nvml() {
  const char* const moved = std::getenv("LONGHAUL_FAKE_NVML");
  return moved != nullptr ? moved : LONGHAUL_FAKE_NVML;
}

class Inventory : public testing::Test {
 protected:
  void SetUp() override {
    setenv("FAKE_NVML_GPUS", "4 NVIDIA H200", 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
  }
};

TEST_F(Inventory, ListsTheGpusOfTheHost) {
  const DeviceInventory inventory = device_inventory(fake_nvml());
  EXPECT_EQ(inventory.driver, "570.86.15");
  ASSERT_EQ(inventory.devices.size(), 4U);
  EXPECT_EQ(inventory.devices[3].name, "NVIDIA H200");
  EXPECT_EQ(inventory.devices[3].uuid, "GPU-00000003-0000-0000-0000-000000000000");
  EXPECT_EQ(inventory.devices[3].memory_bytes, std::int64_t{80} << 30);
  EXPECT_EQ(inventory.devices[3].memory_free, std::int64_t{79} << 30);
}

TEST_F(Inventory, KnowsWhatTheEnvironmentHides) {
  setenv("CUDA_VISIBLE_DEVICES", "2,0", 1);
  const DeviceInventory inventory = device_inventory(fake_nvml());
  ASSERT_EQ(inventory.devices.size(), 2U);
  EXPECT_EQ(inventory.devices[0].uuid.substr(0, 12), "GPU-00000002");
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  EXPECT_TRUE(device_inventory(fake_nvml()).devices.empty());
}

TEST_F(Inventory, IsEmptyWithoutTheLibrary) {
  for (const char* const library : {"no-such-library.so.1", "libc.so.6"}) {
    EXPECT_TRUE(device_inventory(library).devices.empty()) << library;
    EXPECT_EQ(device_inventory(library).driver, "") << library;
  }
}

TEST(VisibleDevices, NumbersAndUuidsUpToTheFirstThatFitsNone) {
  const std::vector<InstalledDevice> all{
      {"A", "GPU-aaaa", 1, 1}, {"B", "GPU-bbbb", 1, 1}, {"C", "GPU-cccc", 1, 1}};
  const auto names = [&](std::string_view environment) {
    std::string text;
    for (const InstalledDevice& device : visible_devices(all, environment)) text += device.name;
    return text;
  };
  EXPECT_EQ(names("0,1,2"), "ABC");
  EXPECT_EQ(names("2,1"), "CB");
  EXPECT_EQ(names("GPU-b,GPU-cccc"), "BC");
  EXPECT_EQ(names("0,3,1"), "A");
  EXPECT_EQ(names("0,-1,1"), "A");
  EXPECT_EQ(names("1,,2"), "B");
  EXPECT_EQ(names(""), "");
  EXPECT_EQ(names("NoDevFiles"), "");
}

}  // namespace
}  // namespace longhaul::cuda
