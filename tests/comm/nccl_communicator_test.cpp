// Every collective over NCCL, in the groups of several layouts. All ranks may share one GPU: then
// each collective takes long unless NVIDIA MPS runs. LONGHAUL_TEST_RANKS_PER_GPU overrides how many
// ranks share one (by default as few as possible).
#include "comm/nccl_communicator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <thread>
#include <utility>

#include "comm/device_values.h"
#include "comm/mpi_runtime.h"
#include "core/error.h"
#include "runtime/select_device.h"

namespace longhaul {
namespace {

using test::Bytes;
using test::DeviceBytes;
using test::make_values;

constexpr std::array kAllDTypes = {DType::f32, DType::f64, DType::bf16, DType::f16,
                                   DType::i32, DType::i64, DType::u8};

/// Layouts of which each axis is one rank in some and several in others.
std::vector<ParallelLayout> layouts_of(int world) {
  switch (world) {
    case 2:
      return {{2, 1, 1}, {1, 2, 1}, {1, 1, 2}};
    case 4:
      return {{2, 2, 1}, {2, 1, 2}, {1, 2, 2}};
    case 8:
      return {{2, 2, 2}, {4, 1, 2}, {1, 8, 1}};
    default:
      return {{world, 1, 1}};
  }
}

/// To be reduced: small, and negative too where the dtype can be.
int term(int rank, std::int64_t i, DType dtype) {
  const int value = static_cast<int>((i * 7 + rank * 3) % 5);
  return dtype == DType::u8 ? value : value - 2;
}

/// To be moved: different for neighbouring elements and ranks.
int mark(int rank, std::int64_t i) { return static_cast<int>((i * 13 + rank * 29) % 251); }

class NcclCommunicatorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (cuda::cuda_problem()) return;
    coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
    log_ = std::make_unique<Log>(coordinator_->rank(), coordinator_->host());
    int count = 1;
    cudaGetDeviceCount(&count);
    options_.ranks_per_gpu = (coordinator_->local_size() + count - 1) / count;
    if (const char* const text = std::getenv("LONGHAUL_TEST_RANKS_PER_GPU")) {
      options_.ranks_per_gpu = std::atoi(text);
    }
    device_ = cuda::select_device(*coordinator_, options_.ranks_per_gpu);
    for (Stream& stream : streams_) {
      cudaStream_t handle = nullptr;
      LONGHAUL_CUDA_CHECK(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "stream");
      stream.handle = handle;
    }
  }

  static void TearDownTestSuite() {
    if (coordinator_ == nullptr) return;
    coordinator_->barrier();
    made_.clear();
    for (const Stream stream : streams_) {
      cudaStreamDestroy(static_cast<cudaStream_t>(stream.handle));
    }
    log_.reset();
    coordinator_.reset();
  }

  void SetUp() override {
    if (const auto problem = cuda::cuda_problem()) GTEST_SKIP() << *problem;
  }

  static ProcessGrid grid(const ParallelLayout& layout) { return {layout, coordinator_->rank()}; }

  static Communicators make(const ParallelLayout& layout) {
    return make_nccl_communicators(*coordinator_, grid(layout), options_, *log_);
  }

  /// Made once for each layout.
  static Communicators& communicators(const ParallelLayout& layout) {
    const auto key = std::pair(layout.tp, layout.cp);
    auto found = made_.find(key);
    if (found == made_.end()) found = made_.emplace(key, make(layout)).first;
    return found->second;
  }

  static Communicators& any_layout() { return communicators(layouts_of(coordinator_->size())[0]); }

  static void synchronize(Stream stream) {
    LONGHAUL_CUDA_CHECK(cudaStreamSynchronize(static_cast<cudaStream_t>(stream.handle)), "sync");
  }

  /// Nothing is in flight on any rank.
  static void synchronize_all() {
    for (const Stream stream : streams_) synchronize(stream);
    coordinator_->barrier();
  }

  static void check_all_reduce(Communicator& group, std::int64_t count, DType dtype) {
    const auto mine =
        make_values(count, dtype, [&](std::int64_t i) { return term(group.rank(), i, dtype); });
    const auto expected = make_values(count, dtype, [&](std::int64_t i) {
      int sum = 0;
      for (int rank = 0; rank < group.size(); ++rank) sum += term(rank, i, dtype);
      return sum;
    });
    // An address that only its own dtype is aligned to.
    const DeviceBytes data(mine, size_of(dtype));
    group.all_reduce(data.data(), count, dtype, "test.all_reduce", stream());
    EXPECT_TRUE(data.get(stream()) == expected) << name_of(dtype);
  }

  static void check_all_gather(Communicator& group, std::int64_t count, DType dtype) {
    const std::size_t part = static_cast<std::size_t>(count) * size_of(dtype);
    const Bytes mine =
        make_values(count, dtype, [&](std::int64_t i) { return mark(group.rank(), i); });
    const Bytes expected = make_values(count * group.size(), dtype, [&](std::int64_t i) {
      return mark(static_cast<int>(i / count), i % count);
    });
    const DeviceBytes send(mine, size_of(dtype));
    const DeviceBytes recv(expected.size());
    group.all_gather(send.data(), recv.data(), count, dtype, "test.all_gather", stream());
    EXPECT_TRUE(recv.get(stream()) == expected) << name_of(dtype);
    EXPECT_TRUE(send.get(stream()) == mine) << name_of(dtype);

    DeviceBytes in_place(expected.size(), size_of(dtype));
    const std::size_t place = part * static_cast<std::size_t>(group.rank());
    in_place.set(place, mine);
    group.all_gather(in_place.data() + place, in_place.data(), count, dtype, "test.all_gather",
                     stream());
    EXPECT_TRUE(in_place.get(stream()) == expected) << name_of(dtype) << " in place";
  }

  static void check_reduce_scatter(Communicator& group, std::int64_t count, DType dtype) {
    const std::int64_t total = count * group.size();
    const Bytes all =
        make_values(total, dtype, [&](std::int64_t i) { return term(group.rank(), i, dtype); });
    const Bytes expected = make_values(count, dtype, [&](std::int64_t i) {
      int sum = 0;
      for (int rank = 0; rank < group.size(); ++rank) {
        sum += term(rank, group.rank() * count + i, dtype);
      }
      return sum;
    });
    const DeviceBytes send(all, size_of(dtype));
    const DeviceBytes recv(expected.size());
    group.reduce_scatter(send.data(), recv.data(), count, dtype, "test.reduce_scatter", stream());
    EXPECT_TRUE(recv.get(stream()) == expected) << name_of(dtype);
    EXPECT_TRUE(send.get(stream()) == all) << name_of(dtype);

    const std::size_t place = expected.size() * static_cast<std::size_t>(group.rank());
    group.reduce_scatter(send.data(), send.data() + place, count, dtype, "test.reduce_scatter",
                         stream());
    EXPECT_TRUE(send.get(stream(), place, expected.size()) == expected)
        << name_of(dtype) << " in place";
  }

  /// Everyone sends to the next rank.
  static void check_send_recv(Communicator& group, std::int64_t count, DType dtype) {
    if (group.size() == 1) return;
    const int next = (group.rank() + 1) % group.size();
    const int previous = (group.rank() + group.size() - 1) % group.size();
    const DeviceBytes send(
        make_values(count, dtype, [&](std::int64_t i) { return mark(group.rank(), i); }));
    const Bytes expected =
        make_values(count, dtype, [&](std::int64_t i) { return mark(previous, i); });
    const DeviceBytes recv(expected.size());
    group.group_start();
    group.send(send.data(), count, dtype, next, "test.send", stream());
    group.recv(recv.data(), count, dtype, previous, "test.recv", stream());
    group.group_end();
    EXPECT_TRUE(recv.get(stream()) == expected) << name_of(dtype);
  }

  static void check_everything(Communicator& group, std::int64_t count, DType dtype) {
    check_all_reduce(group, count, dtype);
    check_all_gather(group, count, dtype);
    check_reduce_scatter(group, count, dtype);
    check_send_recv(group, count, dtype);
  }

  /// The world ranks of `group`, asked from its members.
  static std::vector<int> members(Communicator& group) {
    const int rank = coordinator_->rank();
    const DeviceBytes mine(make_values(1, DType::i32, [&](std::int64_t) { return rank; }));
    const DeviceBytes all(sizeof(std::int32_t) * static_cast<std::size_t>(group.size()));
    group.all_gather(mine.data(), all.data(), 1, DType::i32, "test.members", stream());
    const Bytes bytes = all.get(stream());
    std::vector<int> ranks(static_cast<std::size_t>(group.size()));
    std::memcpy(ranks.data(), bytes.data(), bytes.size());
    return ranks;
  }

  static Stream stream() { return streams_[0]; }

  inline static std::unique_ptr<Coordinator> coordinator_;
  inline static std::unique_ptr<Log> log_;
  inline static NcclOptions options_;
  inline static cuda::DeviceInfo device_;
  inline static std::array<Stream, 2> streams_;
  inline static std::map<std::pair<int, int>, Communicators> made_;
};

TEST_F(NcclCommunicatorTest, EveryDTypeAndSize) {
  Communicator& world = any_layout()[Group::world];
  for (const DType dtype : kAllDTypes) {
    for (const std::int64_t count : {37, 4099}) check_everything(world, count, dtype);
  }
}

TEST_F(NcclCommunicatorTest, LongMessages) {
  Communicator& world = any_layout()[Group::world];
  constexpr std::int64_t kCount = (1 << 19) + 3;
  check_all_reduce(world, kCount, DType::f32);
  check_all_gather(world, kCount, DType::bf16);
  check_reduce_scatter(world, kCount, DType::f32);
}

TEST_F(NcclCommunicatorTest, GroupsOfEveryLayout) {
  for (const ParallelLayout& layout : layouts_of(coordinator_->size())) {
    SCOPED_TRACE(layout.describe());
    const ProcessGrid place = grid(layout);
    const Communicators& comms = communicators(layout);
    for (const Group key : kTensorGroups) {
      SCOPED_TRACE(name_of(key));
      Communicator& group = comms[key];
      EXPECT_EQ(group.size(), place.size(key));
      EXPECT_EQ(group.rank(), place.rank(key));
      EXPECT_EQ(members(group), place.members(key));
      check_everything(group, 41, DType::bf16);
      check_everything(group, 41, DType::f32);
    }
    comms.poll_errors();
  }
}

TEST_F(NcclCommunicatorTest, TwoGroupsOnTwoStreams) {
  // Nothing orders the two streams, as with gathers of keys beside gradients: only the order in
  // which the host issues them.
  constexpr int kRounds = 25;
  constexpr std::int64_t kCount = 50'000;
  for (const ParallelLayout& layout : layouts_of(coordinator_->size())) {
    SCOPED_TRACE(layout.describe());
    const Communicators& comms = communicators(layout);
    std::vector<Communicator*> groups;
    for (const Group key : kTensorGroups) {
      if (comms[key].size() > 1) groups.push_back(&comms[key]);
    }
    if (groups.size() < 2) continue;
    Communicator& first = *groups.front();
    Communicator& second = *groups[1];
    const DeviceBytes mine(
        make_values(kCount, DType::bf16, [&](std::int64_t i) { return mark(first.rank(), i); }));
    const DeviceBytes gathered(2 * kCount * static_cast<std::size_t>(first.size()));
    const DeviceBytes terms(make_values(kCount * second.size(), DType::f32, [&](std::int64_t i) {
      return term(second.rank(), i, DType::f32);
    }));
    const DeviceBytes reduced(sizeof(float) * kCount);
    for (int round = 0; round < kRounds; ++round) {
      first.all_gather(mine.data(), gathered.data(), kCount, DType::bf16, "test.first",
                       streams_[0]);
      second.reduce_scatter(terms.data(), reduced.data(), kCount, DType::f32, "test.second",
                            streams_[1]);
    }
    EXPECT_TRUE(gathered.get(streams_[0]) ==
                make_values(kCount * first.size(), DType::bf16, [&](std::int64_t i) {
                  return mark(static_cast<int>(i / kCount), i % kCount);
                }));
    EXPECT_TRUE(reduced.get(streams_[1]) == make_values(kCount, DType::f32, [&](std::int64_t i) {
                  int sum = 0;
                  for (int rank = 0; rank < second.size(); ++rank) {
                    sum += term(rank, second.rank() * kCount + i, DType::f32);
                  }
                  return sum;
                }));
  }
}

TEST_F(NcclCommunicatorTest, TellsItsLastOperation) {
  auto& world = dynamic_cast<NcclCommunicator&>(any_layout()[Group::world]);
  const std::uint64_t before = world.last_operation().calls;
  const DeviceBytes mine(40);
  const DeviceBytes all(40 * static_cast<std::size_t>(world.size()));
  world.all_gather(mine.data(), all.data(), 10, DType::f32, "test.label", stream());
  const LastOperation last = world.last_operation();
  EXPECT_STREQ(last.operation, "all_gather");
  EXPECT_STREQ(last.label, "test.label");
  EXPECT_EQ(last.bytes, 40U * static_cast<std::size_t>(world.size()));
  EXPECT_EQ(last.calls, before + 1);
  synchronize(stream());
  EXPECT_NO_THROW(any_layout().poll_errors());
}

TEST_F(NcclCommunicatorTest, KnowsTheOldestUnfinishedOperation) {
  const Communicators& comms = any_layout();
  Communicator& world = comms[Group::world];
  if (world.size() == 1) GTEST_SKIP() << "one rank waits for nobody";
  const DeviceBytes data(4096);
  synchronize_all();
  EXPECT_EQ(comms.oldest_unfinished().order, 0U);
  const auto issue = [&] {
    for (const Label label : {"test.first", "test.second"}) {
      world.all_reduce(data.data(), 1024, DType::f32, label, stream());
    }
  };
  const bool late = world.rank() == world.size() - 1;
  if (!late) {
    issue();
    const PendingOperation oldest = comms.oldest_unfinished();
    EXPECT_STREQ(oldest.label, "test.first");
    EXPECT_EQ(oldest.group, Group::world);
    EXPECT_EQ(oldest.bytes, 4096);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  }
  coordinator_->barrier();
  if (late) issue();
  synchronize(stream());
  EXPECT_EQ(comms.oldest_unfinished().order, 0U);
}

TEST_F(NcclCommunicatorTest, NothingToMove) {
  Communicator& world = any_layout()[Group::world];
  world.all_reduce(nullptr, 0, DType::f32, "test", stream());
  world.all_gather(nullptr, nullptr, 0, DType::f32, "test", stream());
  world.reduce_scatter(nullptr, nullptr, 0, DType::f32, "test", stream());
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(NcclCommunicatorTest, RefusesWhatCannotWork) {
  Communicator& world = any_layout()[Group::world];
  const std::size_t bytes = 8 * static_cast<std::size_t>(world.size() + 2);
  const DeviceBytes data(bytes);
  std::byte* const at = data.data();
  const auto part = static_cast<std::size_t>(8 * world.rank());
  EXPECT_THROW(world.all_reduce(at, -1, DType::f32, "test", stream()), InternalError);
  EXPECT_THROW(world.all_gather(at + part + 4, at, 2, DType::f32, "test", stream()), InternalError);
  EXPECT_THROW(world.reduce_scatter(at, at + part + 4, 2, DType::f32, "test", stream()),
               InternalError);
  EXPECT_THROW(world.send(at, 1, DType::f32, world.rank(), "test", stream()), InternalError);
  EXPECT_THROW(world.recv(at, 1, DType::f32, -1, "test", stream()), InternalError);
  // None of it was issued.
  check_all_reduce(world, 7, DType::f32);
}

TEST_F(NcclCommunicatorTest, AnExceptionAbortsWhatWouldHang) {
  const ParallelLayout layout = layouts_of(coordinator_->size())[0];
  const DeviceBytes data(4096);
  try {
    const Communicators comms = make(layout);
    Communicator& world = comms[Group::world];
    // Makes the connections, for which all ranks are needed.
    world.all_reduce(data.data(), 1024, DType::f32, "test", stream());
    synchronize(stream());
    coordinator_->barrier();
    if (world.rank() == 0) {
      world.all_reduce(data.data(), 1024, DType::f32, "test.alone", stream());
    }
    throw UserError("leaves");
  } catch (const UserError&) {
  }
  synchronize(stream());
  coordinator_->barrier();
  const Communicators again = make(layout);
  check_all_reduce(again[Group::world], 1024, DType::f32);
}

TEST_F(NcclCommunicatorTest, AbortedCommunicatorsRefuseWork) {
  const Communicators comms = make(layouts_of(coordinator_->size())[0]);
  auto data = std::make_unique<DeviceBytes>(4096);
  Communicator& world = comms[Group::world];
  world.all_reduce(data->data(), 1024, DType::f32, "test", stream());
  synchronize(stream());
  coordinator_->barrier();
  if (world.rank() == 0) {
    world.all_reduce(data->data(), 1024, DType::f32, "test.alone", stream());
  }
  comms.abort();
  data.reset();  // waits for the device
  EXPECT_NO_THROW(comms.poll_errors());
  if (world.size() > 1) {
    EXPECT_THROW(world.all_reduce(nullptr, 1, DType::f32, "test", stream()), InternalError);
  }
  coordinator_->barrier();
}

}  // namespace
}  // namespace longhaul
