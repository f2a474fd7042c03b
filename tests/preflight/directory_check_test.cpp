#include "preflight/directory_check.h"

#include <gtest/gtest.h>

#include <fstream>

#include "metrics/temporary_directory.h"
#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::milliseconds kPatience{50};

DirectoryFact good() { return {"nfs4 server:/x", "", true, true, true}; }

TEST(JudgeDirectory, SharedAndWritable) {
  const Verdict verdict = judge_directory(seen<DirectoryFact>({good(), good()}), "--save run");
  EXPECT_EQ(places(verdict), "");
  EXPECT_EQ(verdict.summary, "--save run is shared (nfs4 server:/x)");
}

TEST(JudgeDirectory, NamesWhatIsDifferent) {
  DirectoryFact missing = good();
  missing.exists = missing.sees_rank_0 = missing.seen_by_rank_0 = false;
  missing.mount = "ext4 /dev/sda";
  DirectoryFact apart = good();
  apart.sees_rank_0 = apart.seen_by_rank_0 = false;
  DirectoryFact unseen = good();
  unseen.seen_by_rank_0 = false;
  DirectoryFact locked = good();
  locked.cannot_write = "run/x: cannot be created: Permission denied; make it writable";
  const Verdict verdict =
      judge_directory(seen<DirectoryFact>({good(), missing, apart, unseen, locked}), "--save run");
  ASSERT_EQ(places(verdict), "failure 1 b, failure 2 c, failure 3 d, failure 4 e");
  EXPECT_TRUE(contains(verdict.findings[0].what, "not there on this host (ext4 /dev/sda)"));
  EXPECT_TRUE(contains(verdict.findings[1].what, "what rank 0 writes is not there"));
  EXPECT_TRUE(contains(verdict.findings[2].what, "rank 0 does not see"));
  EXPECT_EQ(verdict.findings[3].what, "--save run: run/x: cannot be created: Permission denied");
  EXPECT_EQ(verdict.findings[3].remedy, "make it writable");
}

TEST(JudgeDirectory, WhenRank0CannotWriteItAloneIsToBlame) {
  DirectoryFact locked;
  locked.cannot_write = "no; try";
  EXPECT_EQ(places(judge_directory(seen<DirectoryFact>({locked, {}, {}}), "--save run")),
            "failure 0 a");
}

TEST(DirectoryProbe, MakesAndRemovesItsFoldersOnly) {
  const test::TemporaryDirectory folder;
  const auto coordinator = make_solo_coordinator();
  const fs::path save = folder.path() / "a" / "b" / "c";
  fs::create_directory(folder.path() / "a");
  {
    DirectoryProbe probe(*coordinator, save.string() + "/", kPatience);
    const DirectoryFact fact = probe.look().front();
    EXPECT_TRUE(fact.exists && fact.sees_rank_0 && fact.seen_by_rank_0);
    EXPECT_EQ(fact.cannot_write, "");
    EXPECT_TRUE(fs::is_empty(save));
    std::ofstream(folder.path() / "a" / "b" / "mine") << "x";
  }
  EXPECT_FALSE(fs::exists(save));
  EXPECT_TRUE(fs::exists(folder.path() / "a" / "b" / "mine"));
  {
    DirectoryProbe probe(*coordinator, save, kPatience);
    probe.look();
    probe.keep_folders();
  }
  EXPECT_TRUE(fs::is_empty(save));
}

TEST(DirectoryProbe, BelowAFileItCannotBeMade) {
  const test::TemporaryDirectory folder;
  std::ofstream(folder.path() / "file") << "x";
  const auto coordinator = make_solo_coordinator();
  DirectoryProbe probe(*coordinator, folder.path() / "file" / "run", kPatience);
  const DirectoryFact fact = probe.look().front();
  EXPECT_TRUE(contains(fact.cannot_write, "cannot be created")) << fact.cannot_write;
  DirectoryProbe file(*coordinator, folder.path() / "file", kPatience);
  EXPECT_FALSE(file.look().front().cannot_write.empty());
}

}  // namespace
}  // namespace longhaul::preflight
