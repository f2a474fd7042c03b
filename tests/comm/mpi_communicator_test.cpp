#include "comm/mpi_communicator.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/error.h"

namespace longhaul {
namespace {

class MpiCommunicatorTest : public ::testing::Test {
 protected:
  MpiCommunicatorTest() {
    int rank = 0;
    int size = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    // A group in reverse order of world ranks: group ranks are positions, not world ranks.
    std::vector<int> ranks(static_cast<std::size_t>(size));
    for (int i = 0; i < size; ++i) ranks[static_cast<std::size_t>(i)] = size - 1 - i;
    group_ = std::make_unique<MpiCommunicator>(MPI_COMM_WORLD, ranks);
    EXPECT_EQ(group_->rank(), size - 1 - rank);
    EXPECT_EQ(group_->size(), size);
  }

  [[nodiscard]] int rank() const { return group_->rank(); }
  [[nodiscard]] int size() const { return group_->size(); }

  std::unique_ptr<MpiCommunicator> group_;
  static constexpr std::int64_t kCount = 37;
};

TEST_F(MpiCommunicatorTest, AllReduceSums) {
  std::vector<float> data(kCount);
  std::iota(data.begin(), data.end(), static_cast<float>(rank()));
  group_->all_reduce(data.data(), kCount, DType::f32, "test", {});
  for (std::int64_t i = 0; i < kCount; ++i) {
    const double expected = size() * static_cast<double>(i) + size() * (size() - 1) / 2.0;
    EXPECT_FLOAT_EQ(data[static_cast<std::size_t>(i)], static_cast<float>(expected));
  }
}

TEST_F(MpiCommunicatorTest, AllGatherKeepsRankOrder) {
  const std::vector<std::uint16_t> mine(kCount, static_cast<std::uint16_t>(100 + rank()));
  std::vector<std::uint16_t> all(static_cast<std::size_t>(kCount * size()), 0);
  group_->all_gather(mine.data(), all.data(), kCount, DType::bf16, "test", {});
  std::vector<std::uint16_t> in_place(all.size(), 0);
  std::copy(mine.begin(), mine.end(), in_place.begin() + rank() * kCount);
  group_->all_gather(in_place.data() + rank() * kCount, in_place.data(), kCount, DType::bf16,
                     "test", {});
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i], 100 + i / kCount);
    EXPECT_EQ(in_place[i], all[i]);
  }
}

TEST_F(MpiCommunicatorTest, ReduceScatterGivesEachRankItsPart) {
  std::vector<float> send(static_cast<std::size_t>(kCount * size()));
  for (std::size_t i = 0; i < send.size(); ++i) {
    send[i] = static_cast<float>(i) * static_cast<float>(rank() + 1);
  }
  std::vector<float> part(kCount, -1.0F);
  group_->reduce_scatter(send.data(), part.data(), kCount, DType::f32, "test", {});
  const float factor = static_cast<float>(size() * (size() + 1)) / 2.0F;
  for (std::int64_t i = 0; i < kCount; ++i) {
    EXPECT_FLOAT_EQ(part[static_cast<std::size_t>(i)],
                    factor * static_cast<float>(rank() * kCount + i));
  }
  group_->reduce_scatter(send.data(), send.data() + rank() * kCount, kCount, DType::f32, "test",
                         {});
  EXPECT_TRUE(std::equal(part.begin(), part.end(), send.begin() + rank() * kCount));
}

TEST_F(MpiCommunicatorTest, SendAndReceive) {
  if (size() < 2) return;
  std::int32_t value = 0;
  if (rank() == 0) {
    value = 7;
    group_->send(&value, 1, DType::i32, 1, "test", {});
  } else if (rank() == 1) {
    group_->recv(&value, 1, DType::i32, 0, "test", {});
    EXPECT_EQ(value, 7);
  }
}

TEST_F(MpiCommunicatorTest, RefusesToReduce16BitFloats) {
  std::uint16_t value = 0;
  EXPECT_THROW(group_->all_reduce(&value, 1, DType::bf16, "test", {}), InternalError);
}

/// A group is there under its own key: its members know each other as ProcessGrid says.
TEST(MpiCommunicators, GroupsOfEveryLayout) {
  int rank = 0;
  int world = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world);
  for (int tp = 1; tp <= world; ++tp) {
    for (int cp = 1; tp * cp <= world; ++cp) {
      if (world % (tp * cp) != 0) continue;
      const ParallelLayout layout{tp, cp, world / (tp * cp)};
      const ProcessGrid grid(layout, rank);
      const Communicators comms = make_mpi_communicators(MPI_COMM_WORLD, grid);
      for (const Group key : kTensorGroups) {
        SCOPED_TRACE(fmt::format("{}, {}", layout.describe(), name_of(key)));
        Communicator& group = comms[key];
        EXPECT_EQ(group.size(), grid.size(key));
        EXPECT_EQ(group.rank(), grid.rank(key));
        std::vector<int> members(static_cast<std::size_t>(group.size()), -1);
        group.all_gather(&rank, members.data(), 1, DType::i32, "test", {});
        EXPECT_EQ(members, grid.members(key));
      }
      EXPECT_THROW((void)comms[Group::host], InternalError);
    }
  }
}

}  // namespace
}  // namespace longhaul
