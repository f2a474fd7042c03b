// Writer and reader between processes.
#include <gtest/gtest.h>
#include <mpi.h>

#include "checkpoint/naming.h"
#include "checkpoint/test_model.h"
#include "checkpoint/verify.h"
#include "comm/mpi_runtime.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;

/// A folder that rank 0 makes and removes, known to all.
class SharedDirectory {
 public:
  explicit SharedDirectory(Coordinator& coordinator) : coordinator_(coordinator) {
    if (coordinator.rank() == 0) own_ = std::make_unique<test::TemporaryDirectory>();
    path_ = coordinator.broadcast(own_ ? own_->path().string() : "", 0);
  }
  ~SharedDirectory() { coordinator_.barrier(); }
  SharedDirectory(const SharedDirectory&) = delete;
  SharedDirectory& operator=(const SharedDirectory&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  Coordinator& coordinator_;
  std::unique_ptr<test::TemporaryDirectory> own_;
  fs::path path_;
};

std::unique_ptr<Coordinator> world_coordinator() { return make_mpi_coordinator(MPI_COMM_WORLD); }

TEST(CheckpointMpi, RanksWriteTogetherAndReadAnything) {
  const auto coordinator = world_coordinator();
  const SharedDirectory save(*coordinator);
  const test::TestLayout layout =
      coordinator->size() == 1 ? test::TestLayout{1, 1} : test::TestLayout{2, 2};
  const auto writer = make_synchronous_writer(*coordinator, {save.path(), 2, {}});
  for (const int step : {10, 20, 30, 30}) test::write_as_rank(*coordinator, *writer, layout, step);

  const auto found = find_checkpoint(save.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->filename(), "step_00000030");
  const CheckpointReader reader(*found);
  for (const test::TestLayout reading : {layout, test::TestLayout{1, 3}, test::TestLayout{4, 1}}) {
    EXPECT_EQ(test::count_wrong_rectangles(reader, reading, 30), 0);
  }
  EXPECT_FALSE(fs::exists(save.path() / "step_00000010"));
  const VerifyReport report = verify_checkpoint(*found, [](std::int64_t, std::int64_t) {});
  EXPECT_EQ(report.damages, std::vector<std::string>{});
  EXPECT_EQ(report.shards, coordinator->size());
}

TEST(CheckpointMpi, AFailureOnTheLastRankIsOneMessageEverywhere) {
  const auto coordinator = world_coordinator();
  const SharedDirectory save(*coordinator);
  const int last = coordinator->size() - 1;
  const auto writer = make_synchronous_writer(*coordinator, {save.path(), 0, {}});
  // A slab whose rows overlap in memory: its owner alone can notice.
  CheckpointContents contents{1, "{}", {}};
  const std::vector<float> values(4);
  if (coordinator->rank() == last) {
    contents.slabs.push_back({"w", DType::f32, {2, 2}, {0, 0}, {2, 2}, values.data(), 1});
  }
  bool speaker = false;
  std::string text;
  try {
    writer->write(contents);
  } catch (const CollectiveError& error) {
    speaker = error.speaker();
    text = error.what();
  }
  EXPECT_NE(text.find("rows of 2 elements are 1 apart"), std::string::npos) << text;
  EXPECT_EQ(coordinator->sum(speaker ? 1 : 0), 1);
  EXPECT_TRUE(coordinator->rank() != last || speaker);
  EXPECT_TRUE(fs::is_empty(save.path()));
}

}  // namespace
}  // namespace longhaul
