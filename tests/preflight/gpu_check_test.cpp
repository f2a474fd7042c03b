#include "preflight/gpu_check.h"

#include <gtest/gtest.h>

#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

constexpr std::int64_t kGibibyte = std::int64_t{1} << 30;

/// A host's GPUs as a rank with CUDA sees them.
GpusFact gpus(const std::string& host, int count, const std::string& name = "H100") {
  GpusFact fact;
  fact.driver = "570";
  fact.built_with_cuda = true;
  for (int i = 0; i < count; ++i) {
    const std::string uuid = fmt::format("GPU-{}{}", host, i);
    fact.gpus.push_back({name, uuid, 80 * kGibibyte, 79 * kGibibyte});
    fact.cuda_devices.push_back({uuid, ""});
  }
  return fact;
}

TEST(JudgeGpus, EqualHostsWithEnoughGpusPass) {
  const auto all = seen<GpusFact>({gpus("a", 2), gpus("a", 2), gpus("b", 2), gpus("b", 2)}, 2);
  const Verdict verdict = judge_gpus(all, "auto", 1);
  EXPECT_EQ(places(verdict), "");
  EXPECT_TRUE(contains(verdict.summary, "2 x H100")) << verdict.summary;
}

TEST(JudgeGpus, OtherCountsAndModelsAreNamed) {
  const auto all = seen<GpusFact>({gpus("a", 8), gpus("b", 4), gpus("c", 8), gpus("d", 8, "A100")});
  const Verdict verdict = judge_gpus(all, "auto", 1);
  ASSERT_EQ(places(verdict), "failure 1 b, failure 3 d");
  EXPECT_EQ(verdict.findings[0].what, "sees 4 x H100, rank 0 on a sees 8 x H100");
  EXPECT_TRUE(contains(verdict.findings[1].what, "sees 8 x A100"));
  EXPECT_EQ(places(judge_gpus(all, "cpu", 1)), "");
}

TEST(JudgeGpus, MoreRanksThanGpus) {
  const auto all = seen<GpusFact>({gpus("a", 2), gpus("a", 2), gpus("a", 2)}, 3);
  const Verdict verdict = judge_gpus(all, "auto", 1);
  ASSERT_EQ(places(verdict), "failure 2 a");
  EXPECT_TRUE(contains(verdict.findings[0].what, "no GPU is left for rank 2"));
  EXPECT_TRUE(contains(verdict.findings[0].remedy, "--ranks_per_gpu 2"));
  EXPECT_EQ(places(judge_gpus(all, "auto", 2)), "");
}

TEST(JudgeGpus, AHostWithoutADriver) {
  GpusFact none;
  none.built_with_cuda = true;
  none.cuda_problem = "there is no NVIDIA driver here; start this elsewhere";
  const Verdict verdict = judge_gpus(seen<GpusFact>({gpus("a", 1), none}), "auto", 1);
  ASSERT_EQ(places(verdict), "failure 1 b, failure 1 b");
  EXPECT_TRUE(contains(verdict.findings[0].what, "sees no GPU"));
  EXPECT_EQ(verdict.findings[1].what, "there is no NVIDIA driver here");
  // Without a GPU anywhere the CPU computes, unless a GPU was asked for.
  EXPECT_EQ(places(judge_gpus(seen<GpusFact>({none, none}), "auto", 1)), "");
  const Verdict asked = judge_gpus(seen<GpusFact>({none, none}), "cuda", 1);
  ASSERT_EQ(places(asked), "failure 0 a, failure 1 b");
  EXPECT_EQ(asked.findings[0].what, "--backend cuda: there is no NVIDIA driver here");
  // GPUs that CUDA cannot use are worth a word.
  GpusFact old = gpus("a", 1);
  old.cuda_problem = "the NVIDIA driver is for CUDA 11; update it";
  EXPECT_EQ(places(judge_gpus(seen<GpusFact>({old}), "auto", 1)), "warning 0 a");
}

TEST(JudgeGpus, AProgramWithoutCudaBesideGpus) {
  GpusFact fact = gpus("a", 8);
  fact.built_with_cuda = false;
  fact.cuda_devices.clear();
  EXPECT_EQ(places(judge_gpus(seen<GpusFact>({fact}), "auto", 1)), "warning 0 a");
  EXPECT_EQ(places(judge_gpus(seen<GpusFact>({fact}), "cpu", 1)), "");
}

TEST(JudgeGpus, DriversMemoryAndCapability) {
  GpusFact other_driver = gpus("b", 1);
  other_driver.driver = "535";
  GpusFact busy = gpus("c", 1);
  busy.gpus[0].memory_free = 40 * kGibibyte;
  GpusFact unsupported = gpus("d", 1);
  unsupported.cuda_devices[0].problem = "it has compute capability 8.0; use another";
  const Verdict verdict =
      judge_gpus(seen<GpusFact>({gpus("a", 1), other_driver, busy, unsupported}), "auto", 1);
  ASSERT_EQ(places(verdict), "warning 1 b, warning 2 c, failure 3 d");
  EXPECT_TRUE(contains(verdict.findings[0].what, "driver 535"));
  EXPECT_TRUE(contains(verdict.findings[1].what, "40.0 GiB of 80.0 GiB"))
      << verdict.findings[1].what;
  EXPECT_TRUE(contains(verdict.findings[2].what, "capability 8.0"));
}

}  // namespace
}  // namespace longhaul::preflight
