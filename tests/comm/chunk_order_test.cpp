#include "comm/chunk_order.h"

#include <gtest/gtest.h>

namespace longhaul {
namespace {

using Order = std::vector<std::int32_t>;

TEST(ChunkOrder, GivesEachRankAnEarlyAndALateChunk) {
  EXPECT_EQ(chunk_order(1), (Order{0, 1}));
  EXPECT_EQ(chunk_order(2), (Order{0, 3, 1, 2}));
  EXPECT_EQ(chunk_order(3), (Order{0, 5, 1, 4, 2, 3}));
  EXPECT_EQ(inverse_chunk_order(2), (Order{0, 2, 3, 1}));
}

TEST(ChunkOrder, TheInverseLeadsBack) {
  for (int cp = 1; cp <= 16; ++cp) {
    const Order order = chunk_order(cp);
    const Order inverse = inverse_chunk_order(cp);
    ASSERT_EQ(order.size(), static_cast<std::size_t>(2 * cp));
    ASSERT_EQ(inverse.size(), order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      EXPECT_EQ(inverse.at(static_cast<std::size_t>(order[i])), static_cast<std::int32_t>(i));
      EXPECT_EQ(order.at(static_cast<std::size_t>(inverse[i])), static_cast<std::int32_t>(i));
    }
  }
}

}  // namespace
}  // namespace longhaul
