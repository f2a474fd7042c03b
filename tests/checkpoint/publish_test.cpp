// How checkpoints appear in a save directory, replace each other and go, also when the program is
// killed in between.
#include "checkpoint/publish.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>

#include "checkpoint/naming.h"
#include "checkpoint/save_directory.h"
#include "checkpoint/test_model.h"
#include "checkpoint/verify.h"
#include "core/file.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::message_of;
using test::TemporaryDirectory;
using test::TestLayout;
using test::write_test_checkpoint;

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

/// What starting a run does to the directory.
void start_writer(const fs::path& save) {
  const auto coordinator = make_solo_coordinator();
  const CheckpointWriter writer(*coordinator, {save});
}

void expect_intact(const fs::path& step, int seed) {
  const CheckpointReader reader(step);
  EXPECT_EQ(test::count_wrong_slices(reader, {1, 1}, seed), 0);
}

std::string found_name(const fs::path& save, std::string* note = nullptr) {
  const auto found = find_checkpoint(save, note);
  return found ? found->filename().string() : "none";
}

TEST(Publish, LatestNamesTheNewest) {
  const TemporaryDirectory save;
  const fs::path run = save.path() / "deep" / "run";  // is created
  write_test_checkpoint(run, {2, 1}, 1);
  EXPECT_EQ(read_text_file(run / "latest"), "step_00000001\n");
  write_test_checkpoint(run, {2, 1}, 2);
  EXPECT_EQ(read_text_file(run / "latest"), "step_00000002\n");
  EXPECT_EQ(names_in(run), (Names{"latest", "step_00000001", "step_00000002"}));
  EXPECT_EQ(names_in(run / "step_00000002"),
            (Names{"index.h5", "seal.txt", "shard_00000.h5", "shard_00001.h5"}));
  std::string note = "?";
  EXPECT_EQ(found_name(run, &note), "step_00000002");
  EXPECT_EQ(note, "");
  EXPECT_EQ(found_name(run / "step_00000001"), "step_00000001");
}

TEST(Publish, ACheckpointOfTheSameStepIsReplaced) {
  const TemporaryDirectory save;
  write_test_checkpoint(save.path(), {2, 2}, 5);
  write_test_checkpoint(save.path(), {1, 1}, 5);
  EXPECT_EQ(names_in(save.path()), (Names{"latest", "step_00000005"}));
  EXPECT_EQ(names_in(save.path() / "step_00000005"),
            (Names{"index.h5", "seal.txt", "shard_00000.h5"}));
  expect_intact(save.path() / "step_00000005", 5);
}

TEST(Publish, RetentionKeepsTheNewest) {
  const TemporaryDirectory save;
  for (int step = 1; step <= 5; ++step) write_test_checkpoint(save.path(), {1, 1}, step, 2);
  EXPECT_EQ(names_in(save.path()), (Names{"latest", "step_00000004", "step_00000005"}));
}

TEST(Publish, NewestMeansWrittenLast) {
  // A run that went on to step 30 is resumed at 10 and saves 20: 30 belongs to the past.
  const TemporaryDirectory save;
  for (const int step : {10, 30, 20}) write_test_checkpoint(save.path(), {1, 1}, step);
  EXPECT_EQ(found_name(save.path()), "step_00000020");
  write_test_checkpoint(save.path(), {1, 1}, 25, 2);
  EXPECT_EQ(names_in(save.path()), (Names{"latest", "step_00000020", "step_00000025"}));
}

TEST(Publish, RetentionSparesWhatLatestNames) {
  const TemporaryDirectory save;
  for (const int step : {1, 2, 3}) write_test_checkpoint(save.path(), {1, 1}, step);
  write_text_file(save.path() / "latest", "step_00000001\n");
  apply_retention(save.path(), 1, 3);
  EXPECT_EQ(names_in(save.path()), (Names{"latest", "step_00000001", "step_00000003"}));
}

TEST(FindCheckpoint, DoesNotTrustLatest) {
  const TemporaryDirectory save;
  write_test_checkpoint(save.path(), {1, 1}, 1);
  write_test_checkpoint(save.path(), {1, 1}, 2);
  std::string note;
  write_text_file(save.path() / "latest", "step_00000009\n");
  EXPECT_EQ(found_name(save.path(), &note), "step_00000002");
  EXPECT_NE(note.find("names step_00000009, which is not there"), std::string::npos) << note;
  write_text_file(save.path() / "latest", "step_00000001\n");
  EXPECT_EQ(found_name(save.path(), &note), "step_00000002");
  EXPECT_NE(note.find("step_00000002 was completed after it"), std::string::npos) << note;
  fs::remove(save.path() / "latest");
  EXPECT_EQ(found_name(save.path(), &note), "step_00000002");
  EXPECT_NE(note.find("is missing or empty"), std::string::npos) << note;
}

TEST(FindCheckpoint, IgnoresHalfWrittenFolders) {
  const TemporaryDirectory save;
  EXPECT_FALSE(is_checkpoint(save.path()));
  EXPECT_EQ(found_name(save.path()), "none");
  EXPECT_EQ(found_name(save.path() / "nothing"), "none");
  fs::create_directory(save.path() / "step_00000003.tmp");
  EXPECT_TRUE(is_checkpoint(save.path()));  // a run has begun here
  EXPECT_EQ(found_name(save.path()), "none");
  write_test_checkpoint(save.path(), {1, 1}, 2);
  fs::copy(save.path() / "step_00000002", save.path() / "step_00000007.tmp");
  fs::create_directory(save.path() / "step_00000008");  // empty: not ours
  EXPECT_EQ(found_name(save.path()), "step_00000002");
}

TEST(FindCheckpoint, SaysWhyThereIsNone) {
  const TemporaryDirectory save;
  const auto complaint = [&](const fs::path& path) {
    return message_of([&] { require_checkpoint(path); });
  };
  EXPECT_NE(complaint(save.path() / "x").find("does not exist"), std::string::npos);
  EXPECT_NE(complaint(save.path()).find("neither a checkpoint nor a save directory"),
            std::string::npos);
  write_text_file(save.path() / "file", "");
  EXPECT_NE(complaint(save.path() / "file").find("is not a directory"), std::string::npos);
  fs::create_directory(save.path() / "step_00000003.tmp");
  EXPECT_NE(complaint(save.path()).find("no complete checkpoint yet"), std::string::npos);
  EXPECT_NE(complaint(save.path() / "step_00000003.tmp").find("half a checkpoint"),
            std::string::npos);
}

/// Step 1 is complete; the next write was killed at various points.
class Crash : public testing::Test {
 protected:
  Crash() { write_test_checkpoint(save_.path(), {2, 1}, 1); }

  /// After the crash the run finds `expected`, and starting a writer leaves only whole things.
  void expect_recovery(const std::string& expected, const Names& left) {
    EXPECT_EQ(found_name(save_.path()), expected);
    expect_intact(*find_checkpoint(save_.path()), 1);
    start_writer(save_.path());
    EXPECT_EQ(names_in(save_.path()), left);
    EXPECT_EQ(base_name(found_name(save_.path())), base_name(expected));
    expect_intact(*find_checkpoint(save_.path()), 1);
    write_test_checkpoint(save_.path(), {1, 2}, 2);  // and goes on
    EXPECT_EQ(found_name(save_.path()), "step_00000002");
  }
  /// A complete checkpoint of step 1 elsewhere, to move into place.
  void copy_step(const std::string& name) {
    fs::copy(save_.path() / "step_00000001", save_.path() / name);
  }

  TemporaryDirectory save_;
};

TEST_F(Crash, WhileShardsAreWritten) {
  const fs::path half = begin_step(save_.path(), 2);
  write_text_file(half / "shard_00000.h5", "half");
  expect_recovery("step_00000001", {"latest", "step_00000001"});
}

TEST_F(Crash, BeforeTheRename) {
  copy_step("step_00000002.tmp");
  write_text_file(save_.path() / "latest.tmp", "step_00000002\n");
  expect_recovery("step_00000001", {"latest", "step_00000001"});
}

TEST_F(Crash, BetweenRenameAndLatest) {
  write_test_checkpoint(save_.path(), {2, 1}, 1);
  write_text_file(save_.path() / "latest", "step_00000000\n");
  write_text_file(save_.path() / "latest.tmp", "step_00000001\n");
  expect_recovery("step_00000001", {"latest", "step_00000001"});
}

TEST_F(Crash, AfterTheExchangeOfTheSameStep) {
  copy_step("step_00000001.tmp");  // the one that was replaced
  expect_recovery("step_00000001", {"latest", "step_00000001"});
}

TEST_F(Crash, BetweenTheTwoRenamesWithoutExchange) {
  copy_step("step_00000001.tmp");
  fs::rename(save_.path() / "step_00000001", save_.path() / "step_00000001.old");
  expect_recovery("step_00000001.old", {"latest", "step_00000001"});
}

TEST_F(Crash, BeforeTheReplacedOneIsRemoved) {
  copy_step("step_00000001.old");
  expect_recovery("step_00000001", {"latest", "step_00000001"});
}

TEST_F(Crash, WhileAnOldOneIsRemoved) {
  copy_step("step_00000000.tmp");
  fs::remove(save_.path() / "step_00000000.tmp" / "index.h5");
  copy_step("step_00000003.old.tmp");
  expect_recovery("step_00000001", {"latest", "step_00000001"});
}

TEST_F(Crash, ForeignFilesStay) {
  fs::create_directory(save_.path() / "runs.tmp");
  write_text_file(save_.path() / "notes.old", "mine");
  fs::create_directory(save_.path() / "step_one.tmp");
  expect_recovery("step_00000001",
                  {"latest", "notes.old", "runs.tmp", "step_00000001", "step_one.tmp"});
}

TEST(Kill, AnyMomentLeavesAWholeCheckpoint) {
  const TemporaryDirectory save;
  write_test_checkpoint(save.path(), {1, 1}, 1);
  std::mt19937 random(1);
  int half_written = 0;
  std::size_t kept = 1;
  // A busy machine may need more rounds until a kill hits a write.
  for (int round = 0; round < 30 || (half_written == 0 && round < 10000); ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        const auto coordinator = make_solo_coordinator();
        CheckpointWriter writer(*coordinator, {save.path(), 2});
        for (int i = 0; i < 1000; ++i) {  // steps repeat: some are replaced
          const int step = 1 + (round + i / 2) % 5;
          const test::RankData data = test::make_rank_data(test::test_model(), {1, 1}, 0, step);
          writer.write({step, "{}", data.slabs});
          for (auto polls = random() % 10; polls > 0; --polls) {  // some are done by then
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            writer.poll();
          }
          writer.finish();
        }
      } catch (...) {
      }
      ::_exit(1);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40000));
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    for (const std::string& name : names_in(save.path())) {
      half_written += step_of_directory_name(base_name(name)) && base_name(name) != name ? 1 : 0;
    }
    const auto found = find_checkpoint(save.path());
    ASSERT_TRUE(found) << "round " << round;
    const std::vector<CompleteStep> steps = complete_steps(save.path());
    // Two, and one for each kill in a row between publishing and tidying.
    EXPECT_LE(steps.size(), std::max<std::size_t>(kept, 2) + 1) << "round " << round;
    kept = steps.size();
    for (const CompleteStep& step : steps) {
      const auto report = verify_checkpoint(step.path, [](std::int64_t, std::int64_t) {});
      EXPECT_EQ(report.damages, std::vector<std::string>{}) << "round " << round;
      expect_intact(step.path, static_cast<int>(step.step));
    }
  }
  EXPECT_GT(half_written, 0) << "no kill hit a write: the test has shown nothing";
  // An undisturbed write tidies what the kills have left.
  const auto coordinator = make_solo_coordinator();
  CheckpointWriter writer(*coordinator, {save.path(), 2});
  test::write_as_rank(*coordinator, writer, {1, 1}, 6);
  EXPECT_EQ(complete_steps(save.path()).size(), 2U);
}

}  // namespace
}  // namespace longhaul
