#include "core/tensor/tensor_slice.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"

namespace longhaul {
namespace {

using Numbers = std::vector<std::int64_t>;

TEST(TensorSlice, TensorsOfOneDimensionAreOneColumn) {
  EXPECT_EQ(whole_tensor({7}), (TensorSlice{0, 0, 7, 1}));
  EXPECT_EQ(whole_tensor({7, 3}), (TensorSlice{0, 0, 7, 3}));
  EXPECT_THROW(whole_tensor({7, 3, 2}), InternalError);
  const TensorSlice slice{2, 0, 4, 1};
  EXPECT_EQ(offset_of(slice, 1), (Numbers{2}));
  EXPECT_EQ(extent_of(slice, 1), (Numbers{4}));
  EXPECT_EQ(offset_of(slice, 2), (Numbers{2, 0}));
  EXPECT_EQ(extent_of(slice, 2), (Numbers{4, 1}));
  EXPECT_EQ(describe(slice, 1), "elements 2..5");
  EXPECT_EQ(describe({128, 0, 128, 64}, 2), "rows 128..255, columns 0..63");
}

TEST(TensorSlice, IntersectionIsWhatBothHave) {
  const TensorSlice a{0, 2, 8, 4};
  EXPECT_EQ(intersect(a, {6, 0, 5, 3}), (TensorSlice{6, 2, 2, 1}));
  EXPECT_EQ(intersect({6, 0, 5, 3}, a), (TensorSlice{6, 2, 2, 1}));
  EXPECT_EQ(intersect(a, a), a);
  EXPECT_EQ(intersect(a, {8, 2, 1, 4}).size(), 0);  // below it
  EXPECT_EQ(intersect(a, {0, 0, 8, 2}).size(), 0);  // beside it
}

TEST(TensorSlice, LiesWithinUpToTheEnd) {
  EXPECT_TRUE(lies_within({0, 0, 8, 6}, {8, 6}));
  EXPECT_TRUE(lies_within({7, 5, 1, 1}, {8, 6}));
  EXPECT_TRUE(lies_within({8, 6, 0, 0}, {8, 6}));
  EXPECT_FALSE(lies_within({7, 0, 2, 6}, {8, 6}));
  EXPECT_FALSE(lies_within({0, 5, 8, 2}, {8, 6}));
  EXPECT_FALSE(lies_within({-1, 0, 2, 6}, {8, 6}));
  EXPECT_FALSE(lies_within({0, 0, -1, 6}, {8, 6}));
  EXPECT_FALSE(lies_within({0, 1, 3, 1}, {8}));
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_FALSE(lies_within({kMost, 0, kMost, 1}, {8}));
}

}  // namespace
}  // namespace longhaul
