// Writer and reader between processes.
#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <random>
#include <thread>

#include "checkpoint/hdf5_stall.h"
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

test::TestLayout layout_of(const Coordinator& coordinator) {
  return coordinator.size() == 4 ? test::TestLayout{2, 2} : test::TestLayout{coordinator.size(), 1};
}

TEST(CheckpointMpi, RanksWriteTogetherAndReadAnything) {
  const auto coordinator = world_coordinator();
  const SharedDirectory save(*coordinator);
  const test::TestLayout layout = layout_of(*coordinator);
  CheckpointWriter writer(*coordinator, {save.path(), 2});
  for (const int step : {10, 20, 30, 30}) test::write_as_rank(*coordinator, writer, layout, step);

  const auto found = find_checkpoint(save.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->filename(), "step_00000030");
  const CheckpointReader reader(*found);
  for (const test::TestLayout reading : {layout, test::TestLayout{1, 3}, test::TestLayout{4, 1}}) {
    EXPECT_EQ(test::count_wrong_slices(reader, reading, 30), 0);
  }
  EXPECT_FALSE(fs::exists(save.path() / "step_00000010"));
  const VerifyReport report = verify_checkpoint(*found, [](std::int64_t, std::int64_t) {});
  EXPECT_EQ(report.damages, std::vector<std::string>{});
  EXPECT_EQ(report.shards, coordinator->size());
}

TEST(CheckpointMpi, TrainingCommunicatesWhileOneRankIsSlow) {
  const auto coordinator = world_coordinator();
  const SharedDirectory save(*coordinator);
  const test::TestLayout layout = layout_of(*coordinator);
  const int last = coordinator->size() - 1;
  std::int64_t completed = 0;
  CheckpointWriter writer(*coordinator, {save.path(), 0, {}, [&](const CompletedCheckpoint& done) {
                                           EXPECT_EQ(done.step, ++completed);
                                         }});
  std::mt19937 random(static_cast<unsigned>(coordinator->rank()));
  const auto train = [&](std::int64_t step) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
    const std::vector<double> sums = coordinator->sum(std::vector<double>(1000, 1.0 * step));
    EXPECT_EQ(sums[999], 1.0 * step * coordinator->size());
    EXPECT_EQ(coordinator->max(coordinator->rank() + step), last + step);
    writer.poll();
  };
  for (int step = 1; step <= 5; ++step) {
    std::unique_ptr<test::Hdf5Stall> stall;
    if (coordinator->rank() == last) stall = std::make_unique<test::Hdf5Stall>();
    const test::RankData data =
        test::make_rank_data(test::test_model(), layout, coordinator->rank(), step);
    writer.write({step, "{}", data.slabs});
    for (int i = 0; i < 50; ++i) train(i);
    EXPECT_EQ(coordinator->max(completed), step - 1) << "the last rank's shard is not there";
    stall.reset();
    while (coordinator->max(completed) < step) train(step);
    const CheckpointReader reader(save.path() / step_directory_name(step));
    EXPECT_EQ(test::count_wrong_slices(reader, {1, 1}, step), 0);
  }
}

TEST(CheckpointMpi, AFailureOnTheLastRankIsOneMessageEverywhere) {
  const auto coordinator = world_coordinator();
  const SharedDirectory save(*coordinator);
  const int last = coordinator->size() - 1;
  CheckpointWriter writer(*coordinator, {save.path(), 0});
  // A slab whose rows overlap in memory: its owner alone can notice.
  CheckpointContents contents{1, "{}", {}};
  const std::vector<float> values(4);
  if (coordinator->rank() == last) {
    contents.slabs.push_back({"w", DType::f32, {2, 2}, {0, 0, 2, 2}, values.data(), 1});
  }
  bool speaker = false;
  std::string text;
  try {
    writer.write(std::move(contents));
    for (std::int64_t step = 0; true; ++step) {
      EXPECT_EQ(coordinator->sum(step), step * coordinator->size());
      writer.poll();
    }
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
