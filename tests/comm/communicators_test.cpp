#include "comm/communicators.h"

#include <gtest/gtest.h>

#include <vector>

#include "comm/named_groups.h"
#include "comm/planning_communicators.h"

namespace longhaul {
namespace {

/// A group on a device that does as told.
class FakeGroup final : public Communicator {
 public:
  explicit FakeGroup(int* aborted) : Communicator(0, 1), aborted_(aborted) {}

  void all_reduce(void*, std::int64_t, DType, Label, Stream) override {}
  void all_gather(const void*, void*, std::int64_t, DType, Label, Stream) override {}
  void reduce_scatter(const void*, void*, std::int64_t, DType, Label, Stream) override {}
  void send(const void*, std::int64_t, DType, int, Label, Stream) override {}
  void recv(void*, std::int64_t, DType, int, Label, Stream) override {}

  void poll_errors() const override {
    if (failed) throw CommunicationError("a link is down");
  }
  std::optional<PendingOperation> oldest_unfinished() override { return pending; }
  void abort() noexcept override { ++*aborted_; }

  std::optional<PendingOperation> pending;
  bool failed = false;

 private:
  int* aborted_;
};

class CommunicatorsTest : public testing::Test {
 protected:
  FakeGroup& group(Group key) { return dynamic_cast<FakeGroup&>(comms_[key]); }

  int aborted_ = 0;
  Communicators comms_{[this](Group) { return std::make_unique<FakeGroup>(&aborted_); }};
};

TEST_F(CommunicatorsTest, HaveOneOfEachButTheCoordinators) {
  EXPECT_THROW((void)comms_[Group::host], InternalError);
  EXPECT_THROW((void)Communicators()[Group::tp], InternalError);
  std::vector<Communicator*> all;
  for (const Group key : kTensorGroups) {
    for (const Communicator* other : all) EXPECT_NE(&comms_[key], other) << name_of(key);
    all.push_back(&comms_[key]);
  }
  EXPECT_EQ(all.size(), 5U);
}

TEST_F(CommunicatorsTest, TheOldestOperationIsThatOfAllGroups) {
  EXPECT_EQ(comms_.oldest_unfinished().order, 0U);
  EXPECT_STREQ(comms_.oldest_unfinished().label, "device");
  group(Group::tp).pending = {Group::tp, "third", 4, 3};
  group(Group::weights).pending = {Group::weights, "first", 8, 1};
  group(Group::world).pending = {Group::world, "second", 4, 2};
  const PendingOperation oldest = comms_.oldest_unfinished();
  EXPECT_STREQ(oldest.label, "first");
  EXPECT_EQ(oldest.group, Group::weights);
  EXPECT_EQ(oldest.bytes, 8);
}

TEST_F(CommunicatorsTest, AnErrorOfAnyGroupIsFound) {
  EXPECT_NO_THROW(comms_.poll_errors());
  group(Group::weights).failed = true;
  EXPECT_THROW(comms_.poll_errors(), CommunicationError);
}

TEST_F(CommunicatorsTest, AllAreAborted) {
  comms_.abort();
  EXPECT_EQ(aborted_, 5);
}

TEST(PlanningCommunicators, KnowTheirPlaceAndRefuseToWork) {
  const ProcessGrid grid({2, 3, 4}, 17);
  const Communicators comms = make_planning_communicators(grid);
  for (const Group key : kTensorGroups) {
    EXPECT_EQ(comms[key].size(), grid.size(key)) << name_of(key);
    EXPECT_EQ(comms[key].rank(), grid.rank(key)) << name_of(key);
  }
  EXPECT_THROW(comms[Group::tp].all_reduce(nullptr, 0, DType::f32, "test", {}), InternalError);
}

std::vector<std::string> names(const ParallelLayout& layout) {
  const ProcessGrid grid(layout, 0);
  const Communicators comms = make_planning_communicators(grid);
  std::vector<std::string> names;
  for (const NamedGroup& group : named_groups(comms, grid)) names.push_back(group.name);
  return names;
}

TEST(NamedGroups, EachSetOfRanksIsThereOnce) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({1, 1, 1}), Names{});
  EXPECT_EQ(names({2, 1, 1}), (Names{"tp = world"}));
  EXPECT_EQ(names({1, 1, 4}), (Names{"dp_cp = weights = world"}));
  EXPECT_EQ(names({2, 2, 1}), (Names{"tp", "cp = dp_cp = weights", "world"}));
  EXPECT_EQ(names({2, 2, 2}), (Names{"tp", "cp", "dp_cp = weights", "world"}));
}

TEST(NamedGroups, KnowTheirRanksAndCommunicator) {
  const ProcessGrid grid({2, 1, 2}, 3);
  const Communicators comms = make_planning_communicators(grid);
  const std::vector<NamedGroup> groups = named_groups(comms, grid);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[1].ranks, (std::vector{1, 3}));
  EXPECT_EQ(groups[1].comm, &comms[Group::dp_cp]);
}

}  // namespace
}  // namespace longhaul
