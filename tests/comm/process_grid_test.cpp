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
  EXPECT_EQ(grid.tp_group(), (std::vector{8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(grid.cp_group(), (std::vector{5, 13, 21, 29}));
  EXPECT_EQ(grid.dp_cp_group(), grid.cp_group());
  EXPECT_EQ(grid.dp_group(), std::vector{13});
}

TEST(ProcessGrid, RankAndCoordinatesAreInverse) {
  const ParallelLayout layout{2, 3, 4};
  for (int rank = 0; rank < layout.world(); ++rank) {
    const ProcessGrid grid(layout, rank);
    EXPECT_EQ((grid.dp_rank() * layout.cp + grid.cp_rank()) * layout.tp + grid.tp_rank(), rank);
    EXPECT_EQ(grid.tp_group()[static_cast<std::size_t>(grid.tp_rank())], rank);
    EXPECT_EQ(grid.cp_group()[static_cast<std::size_t>(grid.cp_rank())], rank);
    EXPECT_EQ(grid.dp_group()[static_cast<std::size_t>(grid.dp_rank())], rank);
    EXPECT_EQ(grid.dp_cp_group()[static_cast<std::size_t>(grid.dp_cp_rank())], rank);
    EXPECT_EQ(grid.dp_cp_group().size(), 12U);
  }
}

TEST(ProcessGrid, GroupsPartitionTheWorld) {
  const ParallelLayout layout{2, 2, 3};
  std::vector<int> seen(static_cast<std::size_t>(layout.world()), 0);
  for (int rank = 0; rank < layout.world(); ++rank) {
    const ProcessGrid grid(layout, rank);
    if (grid.dp_cp_rank() != 0) continue;
    for (const int member : grid.dp_cp_group()) ++seen[static_cast<std::size_t>(member)];
  }
  for (const int count : seen) EXPECT_EQ(count, 1);
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
