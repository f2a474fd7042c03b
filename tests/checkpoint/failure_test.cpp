// When the system refuses: one message on all ranks, and the previous checkpoint stays.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>

#include "checkpoint/shard_writer.h"
#include "checkpoint/test_model.h"
#include "checkpoint/thread_ranks.h"
#include "core/file.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::message_of;
using test::TemporaryDirectory;
using test::TestLayout;

/// Acts as a user without rights while it lives, if we are root.
class WithoutRights {
 public:
  WithoutRights() {
    if (::geteuid() == 0) active_ = ::seteuid(65534) == 0;
  }
  ~WithoutRights() {
    if (active_ && ::seteuid(0) != 0) std::abort();
  }
  WithoutRights(const WithoutRights&) = delete;
  WithoutRights& operator=(const WithoutRights&) = delete;

 private:
  bool active_ = false;
};

/// A limit on the size of a file while it lives: the system's refusal is like a full disk's, in the
/// middle of the work, and needs no rights.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

/// A file system of its own, where the test may make one.
class SmallDisk {
 public:
  SmallDisk(const fs::path& at, std::int64_t bytes) : at_(at) {
    fs::create_directories(at_);
    const std::string options = "size=" + std::to_string(bytes);
    mounted_ = ::mount("tmpfs", at_.c_str(), "tmpfs", 0, options.c_str()) == 0;
    error_ = errno;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string reason() const { return std::strerror(error_); }

 private:
  fs::path at_;
  bool mounted_ = false;
  int error_ = 0;
};

enum class Await : std::uint8_t { by_finishing, by_polling, by_writing_the_next };

/// Runs a write that must fail on all ranks of `layout` and returns the one message.
std::string failing_write(const fs::path& save, TestLayout layout, std::int64_t step,
                          std::int64_t extra_floats_of_last_rank = 0,
                          Await await = Await::by_finishing) {
  std::atomic<int> failures{0};
  std::atomic<int> speakers{0};
  std::string text;
  test::run_ranks(layout.ranks(), [&](Coordinator& coordinator) {
    CheckpointWriter writer(coordinator, {save, 0});
    test::RankData data = test::make_rank_data(test::test_model(), layout, coordinator.rank(), 1);
    const std::vector<float> extra(static_cast<std::size_t>(extra_floats_of_last_rank), 1.0F);
    if (coordinator.rank() + 1 == coordinator.size() && !extra.empty()) {
      data.slabs.push_back({"extra",
                            DType::f32,
                            {extra_floats_of_last_rank},
                            {0, 0, extra_floats_of_last_rank, 1},
                            extra.data(),
                            1});
    }
    try {
      writer.write({step, "{}", data.slabs});
      if (await == Await::by_writing_the_next) writer.write({step + 1, "{}", {}});
      while (await == Await::by_polling) {
        coordinator.barrier();  // the training goes on
        writer.poll();
      }
      writer.finish();
    } catch (const CollectiveError& error) {
      ++failures;
      EXPECT_EQ(error.exit_code(), kExitUserError);
      if (error.speaker()) {
        ++speakers;
        text = error.what();
      }
    }
  });
  EXPECT_EQ(failures, layout.ranks());
  EXPECT_EQ(speakers, 1);
  return text;
}

void expect_only_step_one(const fs::path& save) {
  EXPECT_EQ(find_checkpoint(save).value_or("").filename(), "step_00000001");
  EXPECT_EQ(read_text_file(save / "latest"), "step_00000001\n");
  for (const auto& entry : fs::directory_iterator(save)) {
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
  }
  const CheckpointReader reader(save / "step_00000001");
  EXPECT_EQ(test::count_wrong_slices(reader, {1, 1}, 1), 0);
}

TEST(Failure, SaveDirectoryIsAFile) {
  const TemporaryDirectory folder;
  write_text_file(folder.path() / "save", "");
  const auto coordinator = make_solo_coordinator();
  for (const char* name : {"save", "save/below"}) {
    const std::string text =
        message_of([&] { const CheckpointWriter writer(*coordinator, {folder.path() / name}); });
    EXPECT_NE(text.find((folder.path() / name).string()), std::string::npos) << text;
    EXPECT_NE(text.find("irectory"), std::string::npos) << text;
  }
}

TEST(Failure, SaveDirectoryIsNotWritable) {
  const TemporaryDirectory folder;
  ::chmod(folder.path().c_str(), 0555);
  const auto coordinator = make_solo_coordinator();
  const WithoutRights without_rights;
  const std::string text =
      message_of([&] { const CheckpointWriter writer(*coordinator, {folder.path()}); });
  EXPECT_NE(text.find(folder.path().string() + ": is not writable: Permission denied; make"),
            std::string::npos)
      << text;
}

TEST(Failure, SaveDirectoryBecomesUnwritable) {
  const TemporaryDirectory folder;
  ::chmod(folder.path().c_str(), 0777);
  const WithoutRights without_rights;
  const fs::path save = folder.path() / "save";
  const auto coordinator = make_solo_coordinator();
  CheckpointWriter writer(*coordinator, {save, 0});
  test::write_as_rank(*coordinator, writer, {1, 1}, 1);
  ::chmod(save.c_str(), 0555);
  const std::string text = message_of([&] {
    test::write_as_rank(*coordinator, writer, {1, 1}, 2);
  });
  EXPECT_NE(text.find("step_00000002.tmp: cannot be created: Permission denied"), std::string::npos)
      << text;
  EXPECT_NE(text.find("step_00000001 stays the latest checkpoint"), std::string::npos) << text;
  expect_only_step_one(save);
  ::chmod(save.c_str(), 0755);
  test::write_as_rank(*coordinator, writer, {1, 1}, 2);  // the writer is still good
  EXPECT_EQ(find_checkpoint(save)->filename(), "step_00000002");
}

TEST(Failure, OneRankCannotWrite) {
  for (const Await await : {Await::by_finishing, Await::by_polling, Await::by_writing_the_next}) {
    const TemporaryDirectory save;
    test::write_test_checkpoint(save.path(), {2, 2}, 1);
    const FileSizeLimit limit(1 << 20);
    const std::string text = failing_write(save.path(), {2, 2}, 2, 1 << 19, await);
    EXPECT_NE(text.find("checkpoint of step 2: [rank 3 on "), std::string::npos) << text;
    EXPECT_NE(text.find("shard_00003.h5"), std::string::npos) << text;
    EXPECT_NE(text.find("File too large; raise the limit"), std::string::npos) << text;
    EXPECT_NE(text.find("step_00000001 stays the latest checkpoint"), std::string::npos) << text;
    expect_only_step_one(save.path());
  }
}

TEST(Failure, AnOldCheckpointThatStaysIsAWarning) {
  const TemporaryDirectory folder;
  ::chmod(folder.path().c_str(), 0777);
  const WithoutRights without_rights;
  const fs::path save = folder.path() / "save";
  const auto coordinator = make_solo_coordinator();
  std::vector<std::string> warnings;
  CheckpointWriter writer(*coordinator,
                          {save, 1, [&](const std::string& text) { warnings.push_back(text); }});
  test::write_as_rank(*coordinator, writer, {1, 1}, 1);
  ::chmod((save / "step_00000001").c_str(), 0555);
  test::write_as_rank(*coordinator, writer, {1, 1}, 2);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("an old checkpoint stays: "), std::string::npos) << warnings[0];
  EXPECT_EQ(find_checkpoint(save)->filename(), "step_00000002");
  ::chmod((save / "step_00000001.tmp").c_str(), 0755);
}

TEST(Failure, DiskTooSmallIsSeenBefore) {
  const TemporaryDirectory folder;
  const fs::path save = folder.path() / "disk";
  const SmallDisk disk(save, 2 << 20);
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a small file system: " << disk.reason();
  test::write_test_checkpoint(save, {2, 1}, 1);
  const std::string text = failing_write(save, {2, 1}, 2, 1 << 19);
  EXPECT_NE(text.find(save.string() + ": the disk is too full: 2."), std::string::npos) << text;
  EXPECT_NE(text.find(" needed, 1."), std::string::npos) << text;
  EXPECT_NE(text.find("use another --save"), std::string::npos) << text;
  expect_only_step_one(save);
}

TEST(Failure, DiskFillsUpInTheMiddle) {
  const TemporaryDirectory folder;
  const fs::path save = folder.path() / "disk";
  const SmallDisk disk(save, 2 << 20);
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a small file system: " << disk.reason();
  // Past the check of the free space: as when another program takes it meanwhile.
  const std::vector<float> values(1 << 20, 1.0F);
  const std::string text = message_of([&] {
    write_shard(save, {"id", 1, 1}, 0,
                {{"w", DType::f32, {1 << 20}, {0, 0, 1 << 20, 1}, values.data(), 1}});
  });
  EXPECT_NE(text.find((save / "shard_00000.h5").string()), std::string::npos) << text;
  EXPECT_NE(text.find("No space left on device; free space there"), std::string::npos) << text;
}

TEST(Failure, DiskFullWhileWriting) {
  // Where space cannot be set aside beforehand, the write itself says it.
  const std::string text = message_of([] { write_text_file("/dev/full", "some text"); });
  EXPECT_NE(text.find("/dev/full: cannot write 9 B at byte 0: No space left on device; free "
                      "space there"),
            std::string::npos)
      << text;
}

TEST(Failure, SlabsThatDoNotTileAreRefused) {
  const TemporaryDirectory save;
  const auto coordinator = make_solo_coordinator();
  CheckpointWriter writer(*coordinator, {save.path(), 0});
  const std::vector<float> values(6);
  const std::string text = message_of([&] {
    test::write_and_finish(writer,
                           {1, "{}", {{"w", DType::f32, {3, 3}, {0, 0, 2, 3}, values.data(), 3}}});
  });
  EXPECT_NE(text.find("hold 6 of its 9 elements"), std::string::npos) << text;
  EXPECT_NE(text.find("no checkpoint was written before"), std::string::npos) << text;
  EXPECT_FALSE(find_checkpoint(save.path()));
}

}  // namespace
}  // namespace longhaul
