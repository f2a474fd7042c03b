// Program, host, clock and /dev/shm.
#include <gtest/gtest.h>

#include "preflight/build_id.h"
#include "preflight/clock_check.h"
#include "preflight/host_check.h"
#include "preflight/program_check.h"
#include "preflight/shared_memory_check.h"
#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

TEST(BuildId, IsStableHexadecimal) {
  const std::string id = build_id();
  EXPECT_GE(id.size(), 8U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef-"), std::string::npos) << id;
  EXPECT_EQ(build_id(), id);
}

ProgramFact program(const std::string& version, const std::string& build,
                    const std::string& mpi = "Open MPI v4") {
  return {version, build, "/bin/longhaul", mpi};
}

TEST(JudgePrograms, TheMajorityIsRight) {
  const Verdict verdict =
      judge_programs(seen<ProgramFact>({program("1", "aa"), program("2", "bb"), program("2", "bb"),
                                        program("2", "cc"), program("2", "bb", "Open MPI v5")}));
  ASSERT_EQ(places(verdict), "failure 0 a, failure 3 d, warning 4 e");
  EXPECT_EQ(verdict.findings[0].what,
            "/bin/longhaul is longhaul 1, build aa, but rank 1 on b runs longhaul 2, build bb");
  EXPECT_TRUE(contains(verdict.findings[2].what, "Open MPI v5"));
}

TEST(JudgePrograms, ThisProgramIsLikeItself) {
  const ProgramFact fact = look_at_program();
  EXPECT_FALSE(fact.file.empty());
  EXPECT_TRUE(contains(fact.mpi, "MPI")) << fact.mpi;
  EXPECT_EQ(places(judge_programs(seen<ProgramFact>({fact, fact}))), "");
}

TEST(JudgeHosts, ListsThemAndNoticesTwins) {
  std::vector<Seen<HostFact>> all{{0, "n1", {"boot-a", {"eth0 10.0.0.1"}}},
                                  {1, "n1", {"boot-a", {"eth0 10.0.0.1"}}},
                                  {2, "n2", {"boot-b", {"eth0 10.0.0.2"}}}};
  const Verdict fine = judge_hosts(all);
  EXPECT_EQ(places(fine), "");
  EXPECT_EQ(fine.summary, "3 ranks on 2 hosts");
  EXPECT_EQ(fine.details, (std::vector<std::string>{"n1: ranks 0-1; eth0 10.0.0.1",
                                                    "n2: rank 2; eth0 10.0.0.2"}));
  all[2].host = "n1";
  EXPECT_EQ(places(judge_hosts(all)), "warning 0 n1, warning 1 n1, warning 2 n1");
}

TEST(JudgeHosts, ThisHostHasABootId) {
  const HostFact fact = look_at_host();
  EXPECT_EQ(fact.boot_id.size(), 36U);
}

TEST(JudgeClocks, WarnsThenFails) {
  const auto all = seen<ClockOffset>({{},
                                      {0.9, 0.0001, true},
                                      {-2.0, 0.0001, true},
                                      {600.0, 0.0001, true},
                                      {2.0, 1.5, true}});  // not known well enough
  const Verdict verdict = judge_clocks(all);
  ASSERT_EQ(places(verdict), "warning 2 c, failure 3 d");
  EXPECT_TRUE(contains(verdict.findings[0].what, "behind rank 0's on a"))
      << verdict.findings[0].what;
  EXPECT_TRUE(contains(verdict.findings[1].what, "10 min 00 s ahead")) << verdict.findings[1].what;
}

TEST(JudgeSharedMemory, EveryRankOfAHostNeedsSome) {
  constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;
  const auto with = [&](std::int64_t free, int ranks, bool nccl = false) {
    return judge_shared_memory(seen<SharedMemoryFact>({{free, 64 * kMebibyte, ranks, nccl}}));
  };
  EXPECT_EQ(places(with(32 * kMebibyte, 8)), "");
  EXPECT_EQ(places(with(31 * kMebibyte, 8)), "failure 0 a");
  EXPECT_EQ(places(with(64 * kMebibyte, 8, true)), "failure 0 a");
  EXPECT_EQ(places(with(0, 1)), "");
  EXPECT_EQ(places(with(-1, 2)), "failure 0 a");
  const SharedMemoryFact here = look_at_shared_memory(1, false);
  EXPECT_LE(here.free_bytes, here.total_bytes);
}

}  // namespace
}  // namespace longhaul::preflight
