#include "watchdog/hang.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace longhaul {
namespace {

/// Ranks of a job with tp 2, cp 2, all of them in step 3 and lively; tests then change one or two.
class HangTest : public ::testing::Test {
 protected:
  HangTest() {
    for (RankView& rank : ranks_) {
      rank.link = RankView::Link::open;
      rank.progress.pace = Pace::work;
      rank.progress.step = 3;
      name(rank.progress.phase, "backward");
      rank.progress.calls.fill(10);
      rank.idle_seconds = 0.1;
      rank.silent_seconds = 0.3;
    }
  }

  static void name(ProgressReport::Name& to, std::string_view text) {
    std::copy(text.begin(), text.end(), to.begin());
  }

  /// The rank has begun a collective of the group and has waited in it since.
  void wait_in(int rank, Group group, double seconds) {
    RankView& view = ranks_[static_cast<std::size_t>(rank)];
    view.progress.waiting = true;
    view.progress.group = group;
    name(view.progress.label, "some.collective");
    ++view.progress.calls[index_of(group)];
    view.idle_seconds = seconds;
  }
  RankView& rank(int number) { return ranks_[static_cast<std::size_t>(number)]; }

  [[nodiscard]] std::optional<Hang> find() const { return find_hang(ranks_, layout_, limits_); }

  std::vector<RankView> ranks_{4};
  std::optional<ParallelLayout> layout_ = ParallelLayout{2, 2, 1};
  HangLimits limits_{100.0, 30.0, 20.0, 5.0};
  std::vector<RankPlace> places_{{"north", 11}, {"north", 12}, {"south", 13}, {"south", 14}};
};

TEST_F(HangTest, HealthyRanksAreLeftAlone) {
  EXPECT_FALSE(find());
  for (int i = 0; i < 4; ++i) wait_in(i, Group::host, 90.0);
  EXPECT_FALSE(find());
}

TEST_F(HangTest, WhoHasNotComeIsNamed) {
  wait_in(0, Group::tp, 101.0);  // rank 1 is its peer
  rank(1).idle_seconds = 101.0;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->waiting, 0);
  EXPECT_EQ(hang->missing, std::vector{1});
  EXPECT_FALSE(hang->lost);
  const std::string text = describe(*hang, ranks_, places_);
  EXPECT_NE(text.find("[rank 0 on north] has waited 101 s in 'some.collective' (group tp"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("rank 1 on north has not arrived: process 12"), std::string::npos) << text;
  EXPECT_NE(text.find("step 3, phase backward"), std::string::npos) << text;
  EXPECT_NE(remedy_for(*hang, ranks_, places_).find("--comm_timeout"), std::string::npos);
}

TEST_F(HangTest, RanksOfOtherGroupsDoNotMatter) {
  wait_in(0, Group::tp, 101.0);
  ++rank(1).progress.calls[index_of(Group::tp)];  // has come and gone
  rank(1).idle_seconds = 1.0;
  rank(3).idle_seconds = 500.0;  // not in rank 0's tp group
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);  // but its wait is too long
  EXPECT_TRUE(hang->missing.empty());
  EXPECT_NE(describe(*hang, ranks_, places_).find("all ranks of the group have come"),
            std::string::npos);
}

TEST_F(HangTest, WhoWorksIsGivenTime) {
  wait_in(0, Group::tp, 500.0);
  rank(1).idle_seconds = 99.0;  // it has reported something new since
  EXPECT_FALSE(find());
}

TEST_F(HangTest, WhoWaitsItselfIsNotToBlame) {
  // 0 waits for 1 (tp), 1 for 3 (cp), 3 for 2 (tp), and 2 does not come.
  wait_in(0, Group::tp, 101.0);
  wait_in(1, Group::cp, 102.0);
  wait_in(3, Group::tp, 103.0);
  rank(2).idle_seconds = 104.0;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->waiting, 3);
  EXPECT_EQ(hang->missing, std::vector{2});
}

TEST_F(HangTest, SeveralMayBeMissing) {
  wait_in(0, Group::host, 101.0);
  wait_in(2, Group::host, 101.0);
  rank(1).idle_seconds = 150.0;
  rank(3).idle_seconds = 120.0;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->missing, (std::vector{1, 3}));
}

TEST_F(HangTest, SilenceIsNoticedBeforeTheTimeout) {
  wait_in(0, Group::tp, 19.0);
  rank(1).idle_seconds = rank(1).silent_seconds = 19.0;
  EXPECT_FALSE(find());
  rank(0).idle_seconds = 21.0;
  rank(1).idle_seconds = rank(1).silent_seconds = 21.0;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->missing, std::vector{1});
  EXPECT_NE(describe(*hang, ranks_, places_).find("no sign of life for 21 s"), std::string::npos);
  EXPECT_EQ(remedy_for(*hang, ranks_, places_).find("--comm_timeout"), std::string::npos);
}

TEST_F(HangTest, SilentRanksThatHaveComeStillHoldACollectiveUp) {
  limits_.comm = 5.0;
  wait_in(0, Group::tp, 5.2);
  wait_in(1, Group::tp, 5.2);
  rank(1).idle_seconds = rank(1).silent_seconds =
      4.9;  // nobody is accused before it is clear who it is
  EXPECT_FALSE(find());
  rank(1).idle_seconds = rank(1).silent_seconds = 5.3;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->missing, std::vector{1});
}

TEST_F(HangTest, SilenceAloneEndsNothing) {
  rank(1).idle_seconds = rank(1).silent_seconds = 90.0;  // nobody waits for it
  EXPECT_FALSE(find());
}

TEST_F(HangTest, EndedProcesses) {
  wait_in(0, Group::tp, 6.0);
  rank(1).link = RankView::Link::lost;
  rank(1).silent_seconds = 4.0;
  EXPECT_FALSE(find());
  rank(1).silent_seconds = 5.5;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_TRUE(hang->lost);
  EXPECT_EQ(hang->missing, std::vector{1});
}

TEST_F(HangTest, StartUpIsLessPatient) {
  for (RankView& view : ranks_) {
    view.progress.pace = Pace::agreement;
    view.progress.step = 0;
  }
  wait_in(0, Group::host, 31.0);
  for (int i = 1; i < 4; ++i) rank(i).idle_seconds = 31.0;
  rank(2).progress.pace = Pace::work;  // long work has been announced
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->missing, (std::vector{1, 3}));
  EXPECT_NE(describe(*hang, ranks_, places_).find("before the first step"), std::string::npos);
}

TEST_F(HangTest, WaitingForTheDeviceLooksAtAllGroups) {
  wait_in(0, Group::tp, 101.0);
  rank(0).progress.on_device = true;
  ++rank(1).progress.calls[index_of(Group::tp)];
  rank(1).idle_seconds = 101.0;
  ++rank(0).progress.calls[index_of(Group::cp)];  // rank 2 is its peer there
  rank(2).idle_seconds = 101.0;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->missing, std::vector{2});
}

TEST_F(HangTest, WhoIsHeldUpByAFullQueueOfItsDeviceWaitsToo) {
  // Rank 0 was giving work to its device when rank 1 was stopped: the queue is full, and the call
  // that would add to it does not return.
  rank(0).progress.on_device = true;
  ++rank(0).progress.calls[index_of(Group::tp)];
  name(rank(0).progress.label, "some.collective");
  rank(0).idle_seconds = 21.0;
  rank(1).silent_seconds = rank(1).idle_seconds = 19.0;
  EXPECT_FALSE(find());
  rank(1).silent_seconds = rank(1).idle_seconds = 22.0;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->waiting, 0);
  EXPECT_EQ(hang->missing, std::vector{1});
  const std::string text = describe(*hang, ranks_, places_);
  EXPECT_NE(text.find("has come no further for 21 s, its device is in or before 'some.collective'"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("rank 1 on north has not arrived"), std::string::npos) << text;

  rank(0).idle_seconds = 0.5;  // it goes on: it only runs ahead of its device
  EXPECT_FALSE(find());
}

TEST_F(HangTest, WhoIsHeldUpByItsDeviceLeavesWhenTheFirstRankIsGone) {
  RankView own = rank(1);
  own.progress.on_device = true;
  own.idle_seconds = 21.0;
  RankView first = rank(0);
  first.silent_seconds = 21.0;
  EXPECT_TRUE(first_rank_is_gone(own, first, limits_));
  own.idle_seconds = 1.0;
  EXPECT_FALSE(first_rank_is_gone(own, first, limits_));
  own.idle_seconds = 21.0;
  own.progress.on_device = false;  // it computes
  EXPECT_FALSE(first_rank_is_gone(own, first, limits_));
}

TEST_F(HangTest, RanksThatNeverReportedAreNotAccused) {
  wait_in(0, Group::tp, 101.0);
  rank(1).link = RankView::Link::never;
  rank(1).idle_seconds = rank(1).silent_seconds = 1000.0;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_TRUE(hang->missing.empty());
  EXPECT_NE(describe(*hang, ranks_, places_).find("nothing is known of 1 other ranks"),
            std::string::npos);
}

TEST_F(HangTest, BeforeTheLayoutIsKnownThereAreAllRanksOnly) {
  layout_.reset();
  wait_in(0, Group::tp, 50.0);
  EXPECT_FALSE(find());
  wait_in(0, Group::host, 101.0);
  for (int i = 1; i < 4; ++i) rank(i).idle_seconds = 101.0;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->missing, (std::vector{1, 2, 3}));
}

TEST_F(HangTest, WeightsAreCountedApartFromGradients) {
  for (int i = 0; i < 4; ++i) ++rank(i).progress.calls[index_of(Group::dp_cp)];
  wait_in(0, Group::weights, 101.0);  // rank 2 is its peer
  rank(2).idle_seconds = 101.0;
  const std::optional<Hang> hang = find();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->missing, std::vector{2});
  EXPECT_NE(describe(*hang, ranks_, places_).find("(group weights,"), std::string::npos);
}

TEST_F(HangTest, OtherRanksWatchRankZero) {
  RankView& own = rank(1);
  RankView& first = rank(0);
  wait_in(1, Group::tp, 25.0);
  EXPECT_FALSE(first_rank_is_gone(own, first, limits_));  // it answers, and will decide
  first.silent_seconds = 15.0;
  EXPECT_FALSE(first_rank_is_gone(own, first, limits_));
  first.silent_seconds = 21.0;
  EXPECT_TRUE(first_rank_is_gone(own, first, limits_));
  own.progress.waiting = false;  // who works goes on
  EXPECT_FALSE(first_rank_is_gone(own, first, limits_));
  own.progress.waiting = true;
  first.link = RankView::Link::lost;
  first.silent_seconds = 6.0;
  EXPECT_TRUE(first_rank_is_gone(own, first, limits_));
  first.link = RankView::Link::finished;
  EXPECT_FALSE(first_rank_is_gone(own, first, limits_));
  first.link = RankView::Link::never;
  EXPECT_FALSE(first_rank_is_gone(own, first, limits_));
  own.idle_seconds = 101.0;
  EXPECT_TRUE(first_rank_is_gone(own, first, limits_));
}

TEST(Members, FollowTheLayout) {
  const std::optional<ParallelLayout> layout = ParallelLayout{2, 2, 2};
  EXPECT_EQ(members(Group::tp, 5, 8, layout), (std::vector{4, 5}));
  EXPECT_EQ(members(Group::cp, 5, 8, layout), (std::vector{5, 7}));
  EXPECT_EQ(members(Group::dp_cp, 5, 8, layout), (std::vector{1, 3, 5, 7}));
  EXPECT_EQ(members(Group::weights, 5, 8, layout), members(Group::dp_cp, 5, 8, layout));
  EXPECT_EQ(members(Group::world, 5, 8, layout).size(), 8U);
  EXPECT_EQ(members(Group::host, 5, 8, std::nullopt).size(), 8U);
  EXPECT_TRUE(members(Group::tp, 5, 8, std::nullopt).empty());
}

}  // namespace
}  // namespace longhaul
