#include "comm/process_grid.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace longhaul {
namespace {

TEST(ProcessGrid, WorkedExampleOf32Ranks) {
  const ProcessGrid grid({8, 4, 1}, 13);
  EXPECT_EQ(grid.tp_rank(), 5);
  EXPECT_EQ(grid.cp_rank(), 1);
  EXPECT_EQ(grid.dp_rank(), 0);
  EXPECT_EQ(grid.members(Group::tp), (std::vector{8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(grid.members(Group::cp), (std::vector{5, 13, 21, 29}));
  EXPECT_EQ(grid.members(Group::dp_cp), grid.members(Group::cp));
  EXPECT_EQ(grid.members(Group::weights), grid.members(Group::dp_cp));
}

TEST(ProcessGrid, RankAndCoordinatesAreInverse) {
  const ParallelLayout layout{2, 3, 4};
  for (int rank = 0; rank < layout.world(); ++rank) {
    const ProcessGrid grid(layout, rank);
    EXPECT_EQ((grid.dp_rank() * layout.cp + grid.cp_rank()) * layout.tp + grid.tp_rank(), rank);
    EXPECT_EQ(grid.rank(Group::dp_cp), grid.dp_rank() * layout.cp + grid.cp_rank());
  }
}

TEST(ProcessGrid, EveryGroupKnowsItsSizeAndThisRank) {
  const ParallelLayout layout{2, 3, 4};
  for (int rank = 0; rank < layout.world(); ++rank) {
    const ProcessGrid grid(layout, rank);
    EXPECT_EQ(grid.size(Group::tp), 2);
    EXPECT_EQ(grid.size(Group::cp), 3);
    EXPECT_EQ(grid.size(Group::dp_cp), 12);
    for (const Group group : kAllGroups) {
      SCOPED_TRACE(name_of(group));
      const std::vector<int> members = grid.members(group);
      EXPECT_EQ(static_cast<int>(members.size()), grid.size(group));
      EXPECT_EQ(members[static_cast<std::size_t>(grid.rank(group))], rank);
    }
    for (const Group group : {Group::host, Group::world}) {
      EXPECT_EQ(grid.size(group), 24);
      EXPECT_EQ(grid.rank(group), rank);
    }
  }
}

TEST(ProcessGrid, GroupsPartitionTheWorld) {
  const ParallelLayout layout{2, 2, 3};
  for (const Group group : kAllGroups) {
    SCOPED_TRACE(name_of(group));
    std::vector<int> seen(static_cast<std::size_t>(layout.world()), 0);
    for (int rank = 0; rank < layout.world(); ++rank) {
      const ProcessGrid grid(layout, rank);
      const std::vector<int> members = grid.members(group);
      for (const int member : members) {
        EXPECT_EQ(ProcessGrid(layout, member).members(group), members);  // they agree
        if (grid.rank(group) == 0) ++seen[static_cast<std::size_t>(member)];
      }
    }
    for (const int count : seen) EXPECT_EQ(count, 1);
  }
}

TEST(MakeLayout, DataParallelIsWhatRemains) {
  EXPECT_EQ(make_layout(24, 4, 2), (ParallelLayout{4, 2, 3}));
}

TEST(MakeLayout, ExplainsWhatDoesNotDivide) {
  try {
    make_layout(6, 2, 2);
    FAIL() << "no error";
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("6 ranks"), std::string::npos) << text;
    EXPECT_NE(text.find("tensor_model_parallel_size 2"), std::string::npos) << text;
    EXPECT_NE(text.find("multiple of 4"), std::string::npos) << text;
  }
  EXPECT_THROW(make_layout(4, 0, 1), UserError);
}

}  // namespace
}  // namespace longhaul
