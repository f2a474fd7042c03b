// Whatever happens to the files afterwards is noticed, and the message says where and what to do.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "checkpoint/index_reader.h"
#include "checkpoint/naming.h"
#include "checkpoint/test_model.h"
#include "checkpoint/verify.h"
#include "core/file.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::count_wrong_slices;
using test::message_of;
using test::TemporaryDirectory;
using test::TestLayout;
using test::write_test_checkpoint;

constexpr TestLayout kLayout{2, 1};

/// Inverts one bit of a byte of a file while it lives.
class Flip {
 public:
  Flip(fs::path file, std::int64_t offset, int bit = 0)
      : file_(std::move(file)), offset_(offset), mask_(1 << bit) {
    invert();
  }
  ~Flip() { invert(); }
  Flip(const Flip&) = delete;
  Flip& operator=(const Flip&) = delete;

 private:
  void invert() {
    const FileDescriptor fd = open_to_write(file_);
    unsigned char byte = 0;
    read_at(fd, offset_, &byte, 1, file_);
    byte = static_cast<unsigned char>(byte ^ mask_);
    write_at(fd, offset_, &byte, 1, file_);
  }
  fs::path file_;
  std::int64_t offset_;
  int mask_;
};

/// A save directory with steps 40 and 50; the tests hurt 50.
class Damage : public testing::Test {
 protected:
  Damage() {
    write_test_checkpoint(save_.path(), kLayout, 40);
    write_test_checkpoint(save_.path(), kLayout, 50);
  }
  [[nodiscard]] fs::path step() const { return save_.path() / "step_00000050"; }
  [[nodiscard]] fs::path shard(int number) const { return step() / shard_file_name(number); }

  /// The message of loading everything as a trainer would; empty when it works.
  [[nodiscard]] std::string load() const {
    return message_of([&] {
      const CheckpointReader reader(step());
      EXPECT_EQ(count_wrong_slices(reader, kLayout, 50), 0) << "wrong data, and no error";
    });
  }
  [[nodiscard]] std::vector<std::string> verify() const {
    return verify_checkpoint(step(), [](std::int64_t, std::int64_t) {}).damages;
  }
  /// Both loading and verifying name the file and say `what`; loading names the way out.
  void expect_found(const std::string& file, const std::string& what) const {
    const std::string loaded = load();
    EXPECT_NE(loaded.find(file), std::string::npos) << loaded;
    EXPECT_NE(loaded.find(what), std::string::npos) << loaded;
    EXPECT_NE(loaded.find("--resume " + (save_.path() / "step_00000040").string()),
              std::string::npos)
        << loaded;
    const std::vector<std::string> damages = verify();
    ASSERT_FALSE(damages.empty());
    EXPECT_NE(damages[0].find(file), std::string::npos) << damages[0];
    EXPECT_NE(damages[0].find(what), std::string::npos) << damages[0];
  }

  TemporaryDirectory save_;
};

TEST_F(Damage, NoneAtFirst) {
  EXPECT_EQ(load(), "");
  EXPECT_EQ(verify(), std::vector<std::string>{});
}

TEST_F(Damage, AnyFlippedByteOfDataIsFoundWhenItIsRead) {
  const CheckpointIndex index = load_index(step());
  std::int64_t flips = 0;
  for (const SlabRow& slab : index.tables.slabs) {
    const CheckpointTensor& tensor = index.tensor_of(slab);
    const auto element = static_cast<std::int64_t>(size_of(tensor.dtype));
    const std::int64_t bytes = slab.slice.size() * element;
    // All bytes of the weights; of the larger optimizer state every 23rd.
    for (std::int64_t at = 0; at < bytes; at += element == 2 ? 1 : 23) {
      const Flip flip(index.shard_path(slab), slab.file_offset + at, static_cast<int>(at % 8));
      const std::string text = message_of([&] {
        const CheckpointReader reader(step());
        std::vector<std::byte> found(static_cast<std::size_t>(element));
        // One element of the slab is enough to notice.
        reader.read(tensor.path, {slab.slice.row, slab.slice.col, 1, 1}, found.data(), 1);
      });
      ASSERT_NE(text.find("does not match its checksum"), std::string::npos)
          << tensor.path << " byte " << at << ": " << text;
      ASSERT_NE(text.find(display_name(tensor.path)), std::string::npos) << text;
      ASSERT_NE(text.find(index.shard_path(slab).string()), std::string::npos) << text;
      ++flips;
    }
  }
  EXPECT_GT(flips, 3500);
  EXPECT_EQ(load(), "");  // the flips are undone
}

TEST_F(Damage, AnyFlippedByteOfAnythingElseIsFoundToo) {
  const auto check = [&](const fs::path& file, std::int64_t every) {
    const auto size = static_cast<std::int64_t>(fs::file_size(file));
    for (std::int64_t at = 0; at < size; at += every) {
      const Flip flip(file, at, static_cast<int>(at % 8));
      ASSERT_NE(load(), "") << file << " byte " << at;
      const std::vector<std::string> damages = verify();
      ASSERT_EQ(damages.size(), 1U) << file << " byte " << at;
      ASSERT_NE(damages[0].find(step().string()), std::string::npos) << damages[0];
    }
  };
  check(step() / kSealFileName, 1);
  check(step() / kIndexFileName, 257);
  check(shard(0), 797);
  check(shard(1), 797);
}

TEST_F(Damage, VerifyListsEveryDamage) {
  const CheckpointIndex index = load_index(step());
  const SlabRow& first = index.tables.slabs.front();
  const SlabRow& last = index.tables.slabs.back();
  const Flip a(index.shard_path(first), first.file_offset);
  const Flip b(index.shard_path(last), last.file_offset);
  const Flip c(shard(0), 8);  // in its superblock
  const std::vector<std::string> damages = verify();
  EXPECT_GE(damages.size(), 2U);
  for (const SlabRow* slab : {&first, &last}) {
    if (index.shard_path(*slab) == shard(0)) continue;  // may not even open
    const std::string name = display_name(index.tensor_of(*slab).path);
    EXPECT_TRUE(std::any_of(damages.begin(), damages.end(), [&](const std::string& text) {
      return text.find(name) != std::string::npos;
    }));
  }
}

TEST_F(Damage, MissingShard) {
  fs::remove(shard(1));
  expect_found("shard_00001.h5", "is missing");
}

TEST_F(Damage, TruncatedShard) {
  fs::resize_file(shard(1), fs::file_size(shard(1)) - 1);
  expect_found("shard_00001.h5", "truncated");
}

TEST_F(Damage, EmptyShard) {
  fs::resize_file(shard(0), 0);
  expect_found("shard_00000.h5", "is 0 bytes long");
}

TEST_F(Damage, ShardOfAnotherStep) {
  // Same layout, same names, same size: only its identity tells.
  fs::copy_file(save_.path() / "step_00000040" / shard_file_name(1), shard(1),
                fs::copy_options::overwrite_existing);
  expect_found("shard_00001.h5", "belongs to another checkpoint");
}

TEST_F(Damage, ShardsExchanged) {
  const fs::path other = step() / "other";
  fs::rename(shard(0), other);
  fs::rename(shard(1), shard(0));
  fs::rename(other, shard(1));
  EXPECT_NE(load(), "");
  EXPECT_EQ(verify().size(), 2U);
}

TEST_F(Damage, IndexOfAnotherStep) {
  fs::copy_file(save_.path() / "step_00000040" / kIndexFileName, step() / kIndexFileName,
                fs::copy_options::overwrite_existing);
  expect_found(kIndexFileName, "");
  // With its seal the index is sound in itself, but the shards are not its own.
  fs::copy_file(save_.path() / "step_00000040" / kSealFileName, step() / kSealFileName,
                fs::copy_options::overwrite_existing);
  EXPECT_NE(load().find("belongs to another checkpoint"), std::string::npos) << load();
}

TEST_F(Damage, MissingSealOrIndex) {
  fs::remove(step() / kSealFileName);
  EXPECT_NE(load().find("seal.txt"), std::string::npos) << load();
  write_test_checkpoint(save_.path(), kLayout, 50);
  fs::remove(step() / kIndexFileName);
  EXPECT_NE(load().find("index.h5"), std::string::npos) << load();
}

TEST_F(Damage, WithoutEarlierCheckpointTheAdviceIsAnother) {
  fs::remove_all(save_.path() / "step_00000040");
  fs::remove(shard(1));
  EXPECT_NE(load().find("there is no earlier checkpoint in " + save_.path().string()),
            std::string::npos)
      << load();
}

TEST_F(Damage, NewerFormatVersionSaysSo) {
  std::string text = read_text_file(step() / kSealFileName);
  text.replace(0, text.find('\n'), "longhaul-checkpoint 2");
  write_text_file(step() / kSealFileName, text);
  EXPECT_NE(load().find("format version 2 is newer than this program, which reads up to 1"),
            std::string::npos)
      << load();
}

TEST_F(Damage, NotACheckpoint) {
  EXPECT_NE(message_of([&] { CheckpointReader(save_.path() / "nothing"); }).find("not a directory"),
            std::string::npos);
  EXPECT_NE(message_of([&] { CheckpointReader reader(save_.path()); }).find("is not a checkpoint"),
            std::string::npos);
  const fs::path half = save_.path() / "step_00000060.tmp";
  fs::copy(step(), half);
  EXPECT_NE(message_of([&] { CheckpointReader reader(half); }).find("half a checkpoint"),
            std::string::npos);
}

}  // namespace
}  // namespace longhaul
