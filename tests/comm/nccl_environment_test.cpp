#include "comm/nccl_environment.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace longhaul {
namespace {

using Precedence = EnvironmentSetting::Precedence;

std::map<std::string, EnvironmentSetting> by_name(const NcclJob& job) {
  std::map<std::string, EnvironmentSetting> settings;
  for (const EnvironmentSetting& setting : nccl_environment(job)) settings[setting.name] = setting;
  return settings;
}

TEST(NcclEnvironment, OrdersLaunchesAndNothingElseWhenEachRankHasAGpu) {
  const auto settings = by_name({3, "node1", true, 1});
  ASSERT_EQ(settings.size(), 1U);
  EXPECT_EQ(settings.at("NCCL_LAUNCH_ORDER_IMPLICIT").value, "1");
  EXPECT_EQ(settings.at("NCCL_LAUNCH_ORDER_IMPLICIT").precedence, Precedence::user);
}

TEST(NcclEnvironment, OneAlgorithmForTheSameBits) {
  EXPECT_EQ(by_name({0, "node1", false, 1, true}).at("NCCL_ALGO").value, "Ring");
}

TEST(NcclEnvironment, SharedGpusOnOneHostUseLoopback) {
  const auto settings = by_name({3, "node1", true, 4});
  EXPECT_EQ(settings.at("NCCL_HOSTID").value, "node1-rank3");
  EXPECT_EQ(settings.at("NCCL_HOSTID").precedence, Precedence::ours);
  EXPECT_NE(by_name({4, "node1", true, 4}).at("NCCL_HOSTID").value, "node1-rank3");
  EXPECT_EQ(settings.at("NCCL_NVLS_ENABLE").value, "0");
  EXPECT_EQ(settings.at("NCCL_SOCKET_IFNAME").value, "lo");
  EXPECT_EQ(settings.at("NCCL_IB_DISABLE").value, "1");
  EXPECT_EQ(settings.at("NCCL_SOCKET_IFNAME").precedence, Precedence::user);
}

TEST(NcclEnvironment, SharedGpusOnSeveralHostsKeepTheNetwork) {
  const auto settings = by_name({3, "node1", false, 4});
  EXPECT_EQ(settings.count("NCCL_HOSTID"), 1U);
  EXPECT_EQ(settings.count("NCCL_SOCKET_IFNAME"), 0U);
  EXPECT_EQ(settings.count("NCCL_IB_DISABLE"), 0U);
}

TEST(NcclEnvironment, TheUsersValuesStayUnlessTheyCannotWork) {
  setenv("LONGHAUL_TEST_USER", "theirs", 1);
  setenv("LONGHAUL_TEST_OURS", "theirs", 1);
  unsetenv("LONGHAUL_TEST_UNSET");
  apply_environment({{"LONGHAUL_TEST_USER", "ours", Precedence::user},
                     {"LONGHAUL_TEST_OURS", "ours", Precedence::ours},
                     {"LONGHAUL_TEST_UNSET", "ours", Precedence::user}});
  EXPECT_STREQ(std::getenv("LONGHAUL_TEST_USER"), "theirs");
  EXPECT_STREQ(std::getenv("LONGHAUL_TEST_OURS"), "ours");
  EXPECT_STREQ(std::getenv("LONGHAUL_TEST_UNSET"), "ours");
}

TEST(NcclEnvironment, FindsMpsByItsPipe) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("longhaul-mps-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  setenv("CUDA_MPS_PIPE_DIRECTORY", folder.c_str(), 1);
  EXPECT_FALSE(mps_is_running());
  std::ofstream(folder / "control").put('x');
  EXPECT_TRUE(mps_is_running());
  unsetenv("CUDA_MPS_PIPE_DIRECTORY");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace longhaul
