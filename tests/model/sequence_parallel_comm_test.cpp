#include "model/sequence_parallel_comm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "model/exchange_rank.h"

namespace longhaul {
namespace {

using testing::ExchangeRank;
using testing::HostMatrix;
using testing::sum_of;
using testing::value_of;

constexpr std::int64_t kHidden = 5;
constexpr std::int64_t kSharded = 6;  // rows of a rank

/// TP over all ranks, and over half of them beside another axis.
std::vector<ParallelLayout> layouts() {
  const int world = testing::world_size();
  if (world < 4) return {{world, 1, 1}};
  return {{world, 1, 1}, {2, world / 2, 1}, {2, 1, world / 2}};
}

/// Where row `row` of a TP rank's part lies among the local rows, as the class documents it.
std::int64_t local_row(int tp, int tp_rank, std::int64_t row) {
  const std::int64_t half = kSharded / 2;
  return row / half * (kSharded * tp / 2) + tp_rank * half + row % half;
}

class SequenceParallelCommTest : public ::testing::TestWithParam<ParallelLayout> {
 protected:
  /// This rank's rows of a matrix of which every local row holds something else.
  HostMatrix part() {
    return {kSharded, kHidden, [&](std::int64_t row, std::int64_t col) {
              return value_of(0, local_row(tp_, tp_rank_, row), col);
            }};
  }
  HostMatrix expected_whole() {
    return {local_, kHidden,
            [](std::int64_t row, std::int64_t col) { return value_of(0, row, col); }};
  }

  /// This rank's term of a sum over the TP group.
  HostMatrix term() {
    return {local_, kHidden,
            [&](std::int64_t row, std::int64_t col) { return value_of(tp_rank_, row, col); }};
  }
  HostMatrix expected_sum() {
    return {kSharded, kHidden, [&](std::int64_t row, std::int64_t col) {
              return sum_of(tp_, local_row(tp_, tp_rank_, row), col);
            }};
  }

  ExchangeRank rank_{GetParam()};
  const int tp_ = rank_.grid().size(Group::tp);
  const int tp_rank_ = rank_.grid().rank(Group::tp);
  const std::int64_t local_ = kSharded * tp_;
  SequenceParallelComm comm_{rank_.runtime()};
};

TEST_P(SequenceParallelCommTest, GatherPutsEveryRowInItsPlace) {
  HostMatrix mine = part();
  HostMatrix whole(local_, kHidden);
  const ConstMatrixView all = comm_.gather(mine.view(), whole.data(), "test.gather");
  EXPECT_EQ(all.rows, local_);
  EXPECT_EQ(all.cols, kHidden);
  if (tp_ == 1) {
    EXPECT_EQ(all.data, mine.data());  // nothing was copied
    EXPECT_EQ(whole, HostMatrix(local_, kHidden));
    EXPECT_EQ(mine, expected_whole());
  } else {
    EXPECT_EQ(all.data, whole.data());
    EXPECT_EQ(whole, expected_whole());
    EXPECT_EQ(mine, part());
  }
}

TEST_P(SequenceParallelCommTest, GatherByPiecesGivesThemInOrder) {
  HostMatrix mine = part();
  HostMatrix whole(local_, kHidden);
  HostMatrix seen(local_, kHidden);
  std::int64_t next = 0;
  comm_.gather_by_pieces(
      mine.view(), whole.data(), "test.gather", [&](ConstMatrixView rows, std::int64_t begin) {
        EXPECT_EQ(begin, next);
        next += rows.rows;
        ASSERT_LE(next, local_);
        std::copy_n(rows.as<float>(), rows.size(), seen.data() + begin * kHidden);
      });
  EXPECT_EQ(next, local_);
  EXPECT_EQ(seen, expected_whole());
}

TEST_P(SequenceParallelCommTest, ReduceScatterSumsTheRowsOfThisRank) {
  HostMatrix whole = term();
  HostMatrix reduced(kSharded, kHidden);
  const MatrixView to = tp_ == 1 ? whole.view() : reduced.view();
  comm_.reduce_scatter(whole.view(), to, "test.reduce");
  EXPECT_EQ(tp_ == 1 ? whole : reduced, expected_sum());
}

TEST_P(SequenceParallelCommTest, ReduceByPiecesAsksForThemInOrder) {
  HostMatrix whole(local_, kHidden);
  HostMatrix reduced(kSharded, kHidden);
  const MatrixView to = tp_ == 1 ? whole.view() : reduced.view();
  std::int64_t next = 0;
  comm_.reduce_by_pieces(whole.view(), to, "test.reduce", [&](MatrixView rows, std::int64_t begin) {
    EXPECT_EQ(begin, next);
    next += rows.rows;
    ASSERT_LE(next, local_);
    std::copy_n(term().data() + begin * kHidden, rows.size(), rows.as<float>());
  });
  EXPECT_EQ(next, local_);
  EXPECT_EQ(tp_ == 1 ? whole : reduced, expected_sum());
}

TEST_P(SequenceParallelCommTest, WhatWasStartedIsThereAfterWaiting) {
  HostMatrix mine = part();
  HostMatrix gathered(local_, kHidden);
  HostMatrix whole = term();
  HostMatrix reduced(kSharded, kHidden);
  const ConstMatrixView all = comm_.start_gather(mine.view(), gathered.data(), "test.gather");
  comm_.start_reduce_scatter(whole.view(), tp_ == 1 ? whole.view() : reduced.view(), "test.reduce");
  comm_.wait();
  EXPECT_TRUE(std::equal(all.as<float>(), all.as<float>() + all.size(), expected_whole().data()));
  EXPECT_EQ(tp_ == 1 ? whole : reduced, expected_sum());
}

TEST_P(SequenceParallelCommTest, RefusesWhatItCannotDo) {
  HostMatrix odd(kSharded - 1, kHidden);
  HostMatrix whole(local_, kHidden);
  if (tp_ > 1) {
    EXPECT_THROW(comm_.gather(odd.view(), whole.data(), "test.odd"), InternalError);
    EXPECT_THROW(comm_.reduce_scatter(whole.view(), odd.view(), "test.odd"), InternalError);
  } else {
    EXPECT_THROW(comm_.reduce_scatter(whole.view(), odd.view(), "test.other"), InternalError);
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, SequenceParallelCommTest, ::testing::ValuesIn(layouts()));

}  // namespace
}  // namespace longhaul
