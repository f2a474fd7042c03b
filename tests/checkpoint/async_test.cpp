// The caller goes on while a checkpoint is written behind it.
#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <random>
#include <stdexcept>
#include <thread>

#include "checkpoint/background_work.h"
#include "checkpoint/hdf5_stall.h"
#include "checkpoint/naming.h"
#include "checkpoint/save_directory.h"
#include "checkpoint/shard_writer.h"
#include "checkpoint/test_model.h"
#include "checkpoint/thread_ranks.h"
#include "checkpoint/verify.h"
#include "core/stopwatch.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using test::Hdf5Stall;
using test::message_of;
using test::TemporaryDirectory;
using test::TestLayout;

using Steps = std::vector<std::int64_t>;

CheckpointContents contents_of(const test::RankData& data, std::int64_t step) {
  return {step, "{}", data.slabs};
}

test::RankData data_of_step(Coordinator& coordinator, TestLayout layout, std::int64_t step) {
  return test::make_rank_data(test::test_model(), layout, coordinator.rank(),
                              static_cast<int>(step));
}

std::string found_name(const fs::path& save) {
  const auto found = find_checkpoint(save);
  return found ? found->filename().string() : "none";
}

void expect_intact(const fs::path& step, int seed) {
  const CheckpointReader reader(step);
  EXPECT_EQ(test::count_wrong_slices(reader, {1, 1}, seed), 0) << step;
}

TEST(BackgroundWork, RunsOneThingAfterTheOther) {
  using State = BackgroundWork::State;
  BackgroundWork work;
  EXPECT_EQ(work.state(), State::idle);
  work.wait();
  work.stop();
  int result = 0;
  for (int round = 1; round <= 3; ++round) {
    work.start([&result, round](const std::stop_token&) { result = round; });
    work.wait();
    EXPECT_EQ(work.state(), State::idle);
    EXPECT_EQ(result, round);
  }
  work.start([](const std::stop_token&) { throw std::runtime_error("no paper"); });
  work.wait();
  EXPECT_EQ(work.state(), State::failed);
  EXPECT_EQ(message_of([&] { work.rethrow_failure(); }), "no paper");
  work.start([](const std::stop_token&) {});
  work.wait();
  EXPECT_EQ(message_of([&] { work.rethrow_failure(); }), "") << "a failure of the work before";
}

TEST(BackgroundWork, StopsWhenAsked) {
  BackgroundWork work;
  const auto endless = [](const std::stop_token& stop) {
    while (true) {
      throw_if_stopped(stop);
      std::this_thread::sleep_for(microseconds(100));
    }
  };
  work.start(endless);
  EXPECT_EQ(work.state(), BackgroundWork::State::running);
  EXPECT_THROW(work.start(endless), InternalError);
  work.stop();
  EXPECT_EQ(work.state(), BackgroundWork::State::idle) << "being stopped is no failure";
  work.start(endless);  // its owner goes while it runs
}

TEST(ShardWriter, StopsWhenAsked) {
  const TemporaryDirectory folder;
  const std::vector<float> values(6, 1.0F);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(
      write_shard(folder.path(), {"id", 1, 1}, 0,
                  {{"w", DType::f32, {6}, {0, 0, 6, 1}, values.data(), 1}}, stop.get_token()),
      WorkStopped);
}

class AsyncWriter : public testing::TestWithParam<TestLayout> {
 protected:
  [[nodiscard]] const fs::path& save() const { return save_.path(); }

  TemporaryDirectory save_;
};

TEST_P(AsyncWriter, ReturnsBeforeTheWorkIsDone) {
  test::write_test_checkpoint(save(), GetParam(), 1);
  Hdf5Stall stall;
  test::run_ranks(GetParam().ranks(), [&](Coordinator& coordinator) {
    Steps completed;
    CheckpointWriter writer(coordinator, {save(), 0, {}, [&](const CompletedCheckpoint& done) {
                                            completed.push_back(done.step);
                                          }});
    const test::RankData data = data_of_step(coordinator, GetParam(), 2);
    writer.write(contents_of(data, 2));
    for (std::int64_t step = 0; step < 100; ++step) {  // the training goes on
      EXPECT_EQ(coordinator.sum(step), step * coordinator.size());
      writer.poll();
    }
    EXPECT_EQ(completed, Steps{});
    EXPECT_TRUE(writer.under_way());
    EXPECT_EQ(found_name(save()), "step_00000001");
    coordinator.barrier();
    if (coordinator.rank() == 0) stall.release();
    coordinator.barrier();
    writer.finish();
    EXPECT_EQ(completed, coordinator.rank() == 0 ? Steps{2} : Steps{});
    EXPECT_EQ(found_name(save()), "step_00000002");
    EXPECT_FALSE(writer.under_way());
    writer.finish();
    writer.poll();
  });
  expect_intact(save() / "step_00000002", 2);
}

/// As the trainer does it: a poll a step, the same memory for every checkpoint.
TEST_P(AsyncWriter, TrainingCommunicatesMeanwhile) {
  constexpr std::int64_t kSteps = 240;
  constexpr std::int64_t kInterval = 12;
  Steps completed;
  test::run_ranks(GetParam().ranks(), [&](Coordinator& coordinator) {
    CheckpointWriter writer(coordinator, {save(), 0, {}, [&](const CompletedCheckpoint& done) {
                                            completed.push_back(done.step);
                                          }});
    std::mt19937 random(static_cast<unsigned>(coordinator.rank()));
    const auto train = [&](std::int64_t step) {
      std::this_thread::sleep_for(microseconds(random() % 1000));
      const std::string own = std::to_string(step * 100 + coordinator.rank());
      const std::vector<std::string> all = coordinator.all_gather(own);
      for (int rank = 0; rank < coordinator.size(); ++rank) {
        EXPECT_EQ(all[static_cast<std::size_t>(rank)], std::to_string(step * 100 + rank));
      }
      EXPECT_EQ(coordinator.max(coordinator.rank() + step), coordinator.size() - 1 + step);
      writer.poll();
    };
    test::RankData data;
    std::int64_t written = 0;
    for (std::int64_t step = 1; step <= kSteps; ++step) {
      train(step);
      if (step % kInterval != 0) continue;
      if (step % (2 * kInterval) == 0) {
        writer.finish();
      } else {  // polls alone get it done too
        const auto count = [&] { return static_cast<std::int64_t>(completed.size()); };
        while (coordinator.sum(coordinator.rank() == 0 ? count() : 0) < written) train(step);
      }
      data = data_of_step(coordinator, GetParam(), step);
      writer.write(contents_of(data, step));
      ++written;
    }
    writer.finish();
  });
  Steps expected;
  for (std::int64_t step = kInterval; step <= kSteps; step += kInterval) {
    expected.push_back(step);
    expect_intact(save() / step_directory_name(step), static_cast<int>(step));
  }
  EXPECT_EQ(completed, expected);
}

TEST_P(AsyncWriter, WriteWaitsForTheOneBefore) {
  Steps completed;
  test::run_ranks(GetParam().ranks(), [&](Coordinator& coordinator) {
    CheckpointWriter writer(coordinator, {save(), 2, {}, [&](const CompletedCheckpoint& done) {
                                            completed.push_back(done.step);
                                          }});
    std::vector<test::RankData> data;
    for (int step = 1; step <= 4; ++step) {
      data.push_back(data_of_step(coordinator, GetParam(), step));
      writer.write(contents_of(data.back(), step));
    }
    EXPECT_EQ(found_name(save()), "step_00000003");
    coordinator.barrier();
    writer.finish();
  });
  EXPECT_EQ(completed, (Steps{1, 2, 3, 4}));
  const std::vector<CompleteStep> left = complete_steps(save());
  ASSERT_EQ(left.size(), 2U);
  EXPECT_EQ(left[0].step, 4);
  EXPECT_EQ(left[1].step, 3);
  expect_intact(left[0].path, 4);
  expect_intact(left[1].path, 3);
}

TEST_P(AsyncWriter, DestroyedWhileWritingIsLikeACrash) {
  test::write_test_checkpoint(save(), GetParam(), 1);
  Hdf5Stall stall;
  std::latch leaving(GetParam().ranks());
  // Later than the destructors below ask their threads to stop; were it earlier, nothing would be
  // published all the same, as nobody polls.
  std::thread release([&] {
    leaving.wait();
    std::this_thread::sleep_for(milliseconds(200));
    stall.release();
  });
  test::run_ranks(GetParam().ranks(), [&](Coordinator& coordinator) {
    const test::RankData data = data_of_step(coordinator, GetParam(), 2);
    CheckpointWriter writer(coordinator, {save()});
    writer.write(contents_of(data, 2));
    leaving.count_down();
  });
  release.join();
  EXPECT_EQ(found_name(save()), "step_00000001");
  EXPECT_TRUE(fs::exists(save() / "step_00000002.tmp"));
  test::write_test_checkpoint(save(), GetParam(), 3);  // a new run tidies and goes on
  EXPECT_FALSE(fs::exists(save() / "step_00000002.tmp"));
  expect_intact(save() / "step_00000001", 1);
  expect_intact(save() / "step_00000003", 3);
}

INSTANTIATE_TEST_SUITE_P(Ranks, AsyncWriter,
                         testing::Values(TestLayout{1, 1}, TestLayout{2, 1}, TestLayout{2, 2}),
                         [](const auto& info) { return std::to_string(info.param.ranks()); });

TEST(AsyncReports, ComeFromTheCallersThreadWithItsTimes) {
  const TemporaryDirectory save;
  const auto coordinator = make_solo_coordinator();
  std::vector<CompletedCheckpoint> completed;
  const auto here = std::this_thread::get_id();
  CheckpointWriter writer(*coordinator, {save.path(), 0, {}, [&](const CompletedCheckpoint& done) {
                                           EXPECT_EQ(std::this_thread::get_id(), here);
                                           completed.push_back(done);
                                         }});
  const std::vector<float> values(1000, 1.0F);
  CheckpointContents contents{
      1, "{}", {{"w", DType::f32, {1000}, {0, 0, 1000, 1}, values.data(), 1}}};
  test::write_and_finish(writer, contents);
  ASSERT_EQ(completed.size(), 1U);
  EXPECT_EQ(completed[0].step, 1);
  EXPECT_EQ(completed[0].directory, save.path() / "step_00000001");
  EXPECT_EQ(completed[0].bytes, 4000);
  EXPECT_GT(completed[0].background_seconds, 0.0);

  contents.step = 2;
  Hdf5Stall stall;
  Stopwatch watch;
  writer.write(contents);
  double inside = watch.lap();                     // the writer's calls: the most that it can block
  std::this_thread::sleep_for(milliseconds(400));  // a long step
  stall.release();
  while (completed.size() < 2) {
    std::this_thread::sleep_for(milliseconds(20));
    watch.lap();
    writer.poll();
    inside += watch.lap();
  }
  EXPECT_GE(completed[1].background_seconds, 0.39);
  EXPECT_GT(completed[1].blocked_seconds, 0.0);
  EXPECT_LE(completed[1].blocked_seconds, inside);

  // Who finishes at once waits for as long as the work takes.
  contents.step = 3;
  Hdf5Stall second_stall;
  std::thread release([&] {
    std::this_thread::sleep_for(milliseconds(400));
    second_stall.release();
  });
  writer.write(contents);
  watch.lap();
  writer.finish();
  inside = watch.lap();
  release.join();
  ASSERT_EQ(completed.size(), 3U);
  EXPECT_GE(completed[2].blocked_seconds, 0.5 * inside);  // what follows the wait does not count
}

}  // namespace
}  // namespace longhaul
