// Gradients of several micro-batches, written as a backward pass writes them, against their plain
// sums over the ranks, in every layout of this mpirun. All values are small integers: fp32 holds
// their sums exactly, in any order, so that results are known to the bit.
#include "train/optimizer/gradient_buffers.h"

#include <gtest/gtest.h>

#include <numeric>

#include "train/sharded_model.h"

namespace longhaul {
namespace {

using testing::layouts_of;
using testing::odd_model;
using testing::TestRank;
using testing::TinyRun;
using testing::upload;

/// When a backward pass completes a layer: before it begins the next one, or after.
enum class Layers : std::uint8_t { apart, overlapping };

/// 32 random bits that these numbers determine.
template <typename... Numbers>
std::uint32_t mixed(Numbers... numbers) {
  std::uint64_t state = 0x9e3779b97f4a7c15U;
  for (const auto number : {static_cast<std::uint64_t>(numbers)...}) {
    state = (state ^ number) * 0xbf58476d1ce4e5b9U;
    state ^= state >> 29;
  }
  return static_cast<std::uint32_t>(state >> 32);
}

/// What ranks add to gradients: a function of the place, so that each rank knows what others do.
struct Place {
  int rank;  // in the world
  int step;
  int micro_batch;
  int parameter;
};

/// How often a parameter's gradient is added to. Ranks differ, as some have no loss rows. A unit
/// always has one parameter that is used: its norm, or the embedding.
int uses(const Place& at, ParameterRole role) {
  const int drawn = static_cast<int>(mixed(at.rank, at.step, at.micro_batch, at.parameter) % 3);
  const bool always = role == ParameterRole::embedding || role == ParameterRole::final_norm ||
                      role == ParameterRole::input_norm;
  return always ? std::max(1, drawn) : drawn;
}

/// Does a tied head add to the embedding?
bool tied_head_used(const Place& at) {
  return mixed(at.rank, at.step, at.micro_batch, at.parameter) % 2 == 0;
}
constexpr int kTiedUse = 7;  // the number of that use

float value(const Place& at, int use, std::int64_t element) {
  const std::uint32_t drawn =
      mixed(at.rank, at.step, at.micro_batch, at.parameter, use, element) % 17;
  return static_cast<float>(drawn) - 8.0F;
}

/// The backward passes of one rank, without a model.
class Writer {
 public:
  explicit Writer(TinyRun& run)
      : run_(run),
        table_(run.table()),
        direct_(run.runtime().grid.size(Group::dp_cp) == 1),
        written_(table_.parameters().size()) {}

  void run_step(int step, int micro_batches, Layers layers) {
    gradients().start_step();
    std::fill(written_.begin(), written_.end(), false);
    for (int micro_batch = 0; micro_batch < micro_batches; ++micro_batch) {
      // Buckets hold one micro-batch, shards the whole step.
      if (!direct_) std::fill(written_.begin(), written_.end(), false);
      backward(step, micro_batch, layers);
    }
    gradients().finish_step();
  }

 private:
  [[nodiscard]] GradientBuffers& gradients() { return run_.memory().gradients(); }

  void backward(int step, int micro_batch, Layers layers) {
    const int embedding = table_.find(ParameterRole::embedding, Unit::embedding());
    const Place tied = place(step, micro_batch, embedding);
    if (table_.tied_head() && tied_head_used(tied)) add(tied, kTiedUse);
    write(step, micro_batch, Unit::head());
    gradients().complete(Unit::head());
    for (int layer = testing::kOddLayers - 1; layer >= 0; --layer) {
      write(step, micro_batch, Unit::of_layer(layer));
      if (layers == Layers::apart) {
        gradients().complete(Unit::of_layer(layer));
      } else if (layer < testing::kOddLayers - 1) {
        gradients().complete(Unit::of_layer(layer + 1));
      }
    }
    if (layers == Layers::overlapping) gradients().complete(Unit::of_layer(0));
    write(step, micro_batch, Unit::embedding());
    gradients().complete(Unit::embedding());
  }

  [[nodiscard]] Place place(int step, int micro_batch, int parameter) const {
    return {run_.runtime().grid.rank(), step, micro_batch, parameter};
  }
  void write(int step, int micro_batch, Unit unit) {
    const UnitParameters& range = table_.units()[table_.index_of(unit)];
    for (int i = range.end - 1; i >= range.begin; --i) write(step, micro_batch, i);
  }
  void write(int step, int micro_batch, int parameter) {
    const Place at = place(step, micro_batch, parameter);
    const int count = uses(at, table_.parameters()[static_cast<std::size_t>(parameter)].role);
    for (int use = 0; use < count; ++use) add(at, use);
  }

  /// One contribution, in one of the two ways.
  void add(const Place& at, int use) {
    const auto index = static_cast<std::size_t>(at.parameter);
    const Parameter& p = table_.parameters()[index];
    std::vector<float> values;
    for (std::int64_t i = 0; i < p.size(); ++i) values.push_back(value(at, use, i));
    Device& device = run_.runtime().device;
    const DeviceBuffer buffer(device, values.size() * sizeof(float));
    auto* const from = static_cast<float*>(buffer.data());
    upload(device, values, from);

    GradientSink::Destination to{{}, AccumulateMode::accumulate};
    if (mixed(3, at.rank, at.step, at.micro_batch, at.parameter, use) % 2 == 0) {
      to.view = gradients().gradient(at.parameter);
    } else {
      to = gradients().destination(at.parameter);
      EXPECT_EQ(to.write, written_[index] ? AccumulateMode::accumulate : AccumulateMode::overwrite)
          << "parameter " << at.parameter << ", micro-batch " << at.micro_batch;
    }
    written_[index] = true;
    EXPECT_EQ(to.view.rows, p.rows);
    EXPECT_EQ(to.view.cols, p.cols);
    EXPECT_TRUE(to.view.contiguous());
    if (to.write == AccumulateMode::overwrite) {
      device.copy_on_device(to.view.data, from, to.view.bytes(), device.compute_stream());
    } else {
      run_.runtime().ops().accumulate(from, to.view.as<float>(), p.size());
    }
    device.synchronize(device.compute_stream());
  }

  TinyRun& run_;
  const ParameterTable& table_;
  bool direct_;
  std::vector<bool> written_;  // by parameter: does its gradient hold something?
};

/// This rank's shards after a step: sums over the micro-batches and the dp_cp group, and over TP
/// too of what every TP rank holds; zero elsewhere.
std::vector<float> expected_shards(TinyRun& run, int step, int micro_batches) {
  const ProcessGrid& grid = run.runtime().grid;
  const bool tied = run.table().tied_head();
  std::vector<int> world(static_cast<std::size_t>(grid.world()));
  std::iota(world.begin(), world.end(), 0);
  std::vector<float> shards(static_cast<std::size_t>(run.memory().layout().size()), 0.0F);
  for (std::size_t i = 0; i < run.table().parameters().size(); ++i) {
    const int index = static_cast<int>(i);
    const Parameter& p = run.table().parameters()[i];
    const std::int64_t begin = grid.rank(Group::dp_cp) * p.shard_size();
    const std::int64_t count = std::min(p.shard_size(), p.size() - begin);  // less than 0: padding
    const auto offset = run.memory().layout().offset(index);
    for (const int rank : p.replicated ? world : grid.members(Group::dp_cp)) {
      for (int micro_batch = 0; micro_batch < micro_batches; ++micro_batch) {
        const Place at{rank, step, micro_batch, index};
        std::vector<int> used(static_cast<std::size_t>(uses(at, p.role)));
        std::iota(used.begin(), used.end(), 0);
        if (tied && p.role == ParameterRole::embedding && tied_head_used(at)) {
          used.push_back(kTiedUse);
        }
        for (const int use : used) {
          for (std::int64_t j = 0; j < count; ++j) {
            shards[static_cast<std::size_t>(offset + j)] += value(at, use, begin + j);
          }
        }
      }
    }
  }
  return shards;
}

class GradientBuffersTest : public ::testing::TestWithParam<bool> {
 protected:
  static void SetUpTestSuite() { rank_ = std::make_unique<TestRank>(TestRank::of_world()); }
  static void TearDownTestSuite() { rank_.reset(); }

  /// test(run) in every layout.
  template <typename Test>
  static void in_every_layout(const Test& test) {
    for (const ParallelLayout& layout : layouts_of(rank_->coordinator().size())) {
      SCOPED_TRACE(layout.describe());
      TinyRun run(odd_model(/*tied=*/GetParam()), *rank_, rank_->connect(layout),
                  {.max_tokens = 16});
      test(run);
    }
  }
  static void expect_sums(TinyRun& run, int step, int micro_batches) {
    const std::vector<float> actual = run.shards_on_host(run.memory().gradients().shards());
    const std::vector<float> expected = expected_shards(run, step, micro_batches);
    for (std::size_t i = 0; i < run.table().parameters().size(); ++i) {
      const Parameter& p = run.table().parameters()[i];
      const auto begin = run.memory().layout().offset(static_cast<int>(i));
      EXPECT_TRUE(std::equal(actual.begin() + begin, actual.begin() + begin + p.shard_size(),
                             expected.begin() + begin))
          << run.table().tensors()[static_cast<std::size_t>(p.pieces.at(0).tensor)].name
          << ", step " << step;
    }
    EXPECT_EQ(actual, expected) << "between parameters";
  }

  static inline std::unique_ptr<TestRank> rank_;
};

TEST_P(GradientBuffersTest, MicroBatchesAndRanksAddUp) {
  in_every_layout([](TinyRun& run) {
    Writer writer(run);
    // Each step has to forget the one before, what it does not write itself too.
    int step = 0;
    for (const int micro_batches : {1, 3, 2, 1, 1}) {
      writer.run_step(step, micro_batches, Layers::apart);
      expect_sums(run, step, micro_batches);
      ++step;
    }
  });
}

TEST_P(GradientBuffersTest, TwoLayersMayBeOpenAtOnce) {
  in_every_layout([](TinyRun& run) {
    Writer writer(run);
    for (const int step : {10, 11}) {
      writer.run_step(step, 2, Layers::overlapping);
      expect_sums(run, step, 2);
    }
  });
}

TEST_P(GradientBuffersTest, AStepWithoutMicroBatchesIsZero) {
  in_every_layout([](TinyRun& run) {
    Writer writer(run);
    writer.run_step(20, 2, Layers::apart);
    writer.run_step(21, 0, Layers::apart);
    expect_sums(run, 21, 0);
  });
}

TEST_P(GradientBuffersTest, UnitsThatNothingWroteAreZero) {
  in_every_layout([](TinyRun& run) {
    Writer(run).run_step(30, 2, Layers::apart);
    GradientBuffers& gradients = run.memory().gradients();
    gradients.start_step();
    for (auto unit = run.table().units().rbegin(); unit != run.table().units().rend(); ++unit) {
      gradients.complete(unit->unit);
    }
    gradients.finish_step();
    const std::vector<float> zeros(static_cast<std::size_t>(run.memory().layout().size()), 0.0F);
    EXPECT_EQ(run.shards_on_host(gradients.shards()), zeros);
  });
}

TEST_P(GradientBuffersTest, CompletingAUnitTwiceIsAnError) {
  if (rank_->coordinator().size() == 1) GTEST_SKIP() << "one rank has no buckets";
  in_every_layout([](TinyRun& run) {
    if (run.runtime().grid.size(Group::dp_cp) == 1) return;
    GradientBuffers& gradients = run.memory().gradients();
    gradients.start_step();
    for (const Unit unit : {Unit::head(), Unit::of_layer(1), Unit::embedding()}) {
      gradients.complete(unit);
      EXPECT_THROW(gradients.complete(unit), InternalError);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Models, GradientBuffersTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "tied" : "untied"; });

}  // namespace
}  // namespace longhaul
