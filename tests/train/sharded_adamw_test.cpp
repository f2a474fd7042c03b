// The sharded optimizer against AdamW on whole tensors in fp64, in every layout of this mpirun.
#include "train/optimizer/sharded_adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "train/sharded_model.h"

namespace longhaul {
namespace {

using testing::layouts_of;
using testing::make_tensors;
using testing::Numbers;
using testing::odd_model;
using testing::random_tensors;
using testing::shards_of;
using testing::TestRank;
using testing::TinyRun;
using testing::upload;
using testing::visit_shards;
using testing::WholeTensors;

// An epsilon that is felt, so that its place in the formula matters; moments that update 1000 still
// has to correct.
constexpr AdamWOptions kOptions{0.8, 0.999, 1e-2, 0.5};
constexpr double kLearningRate = 0.05;

/// AdamW as its authors write it (Loshchilov and Hutter, algorithm 2), on whole tensors in fp64.
struct PlainAdamW {
  WholeTensors weights, exp_avg, exp_avg_sq;

  void update(const std::vector<LogicalTensor>& tensors, const WholeTensors& gradients, double t,
              double gradient_scale) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const double decay = tensors[i].one_dimensional ? 0.0 : kOptions.weight_decay;
      for (std::size_t j = 0; j < gradients[i].size(); ++j) {
        const double g = gradients[i][j] * gradient_scale;
        double& m = exp_avg[i][j];
        double& v = exp_avg_sq[i][j];
        m = kOptions.beta1 * m + (1.0 - kOptions.beta1) * g;
        v = kOptions.beta2 * v + (1.0 - kOptions.beta2) * g * g;
        const double m_hat = m / (1.0 - std::pow(kOptions.beta1, t));
        const double v_hat = v / (1.0 - std::pow(kOptions.beta2, t));
        double& w = weights[i][j];
        w -= kLearningRate * (m_hat / (std::sqrt(v_hat) + kOptions.epsilon) + decay * w);
      }
    }
  }
};

class ShardedAdamWTest : public ::testing::TestWithParam<bool> {
 protected:
  static void SetUpTestSuite() { rank_ = std::make_unique<TestRank>(TestRank::of_world()); }
  static void TearDownTestSuite() { rank_.reset(); }

  /// test(run) in every layout.
  template <typename Test>
  static void in_every_layout(const Test& test) {
    for (const ParallelLayout& layout : layouts_of(rank_->coordinator().size())) {
      SCOPED_TRACE(layout.describe());
      TinyRun run(odd_model(/*tied=*/GetParam()), *rank_, rank_->connect(layout),
                  {.adamw = kOptions, .max_tokens = 16});
      test(run);
    }
  }

  static void set(TinyRun& run, const WholeTensors& tensors, float* shards) {
    upload(run.runtime().device, shards_of(run.table(), run.memory().layout(), tensors), shards);
  }
  /// Master weights, first and second moments.
  static float* state(TinyRun& run, std::size_t kind) {
    return run.memory().optimizer().state()[kind].all().as<float>();
  }
  static void set(TinyRun& run, const PlainAdamW& values) {
    set(run, values.weights, state(run, 0));
    set(run, values.exp_avg, state(run, 1));
    set(run, values.exp_avg_sq, state(run, 2));
  }
  static void update(TinyRun& run, const WholeTensors& gradients, std::int64_t number,
                     double gradient_scale) {
    float* const shards = run.memory().gradients().shards();
    set(run, gradients, shards);
    run.memory().optimizer().update(shards, number, kLearningRate, gradient_scale);
    run.memory().weights().gather();
  }

  /// This rank's shards of one kind of state; a few fp32 roundings of values near 1 are allowed.
  static void expect_shards(TinyRun& run, const float* shards, const WholeTensors& expected,
                            const char* kind) {
    const std::vector<float> actual = run.shards_on_host(shards);
    double worst = 0.0;
    std::string name = "none";
    visit_shards(run.table(), run.memory().layout(),
                 [&](std::size_t at, std::size_t tensor, std::size_t element) {
                   const double wanted = expected[tensor][element];
                   const double error = std::abs(actual[at] - wanted) / (1.0 + std::abs(wanted));
                   if (error <= worst) return;
                   worst = error;
                   name = run.table().tensors()[tensor].name;
                 });
    EXPECT_LE(worst, 1e-6) << kind << " of " << name;
  }

  /// The weights that this rank computes with, whole over dp_cp.
  static void expect_weights(TinyRun& run, const WholeTensors& expected) {
    const double tolerance = rank_->numbers() == Numbers::bf16 ? 4e-3 : 1e-6;
    for (std::size_t i = 0; i < run.table().parameters().size(); ++i) {
      const Parameter& p = run.table().parameters()[i];
      const std::vector<float> weights =
          run.to_host(run.memory().weights().matrix(static_cast<int>(i)));
      for (const ParameterPiece& piece : p.pieces) {
        const TensorSlice& slice = piece.slice;
        const LogicalTensor& tensor = run.table().tensors()[static_cast<std::size_t>(piece.tensor)];
        const std::vector<double>& whole = expected[static_cast<std::size_t>(piece.tensor)];
        for (std::int64_t row = 0; row < slice.rows; ++row) {
          for (std::int64_t col = 0; col < slice.cols; ++col) {
            const double wanted =
                whole[static_cast<std::size_t>((slice.row + row) * tensor.cols + slice.col + col)];
            const double actual =
                weights[static_cast<std::size_t>((piece.parameter_row + row) * p.cols + col)];
            ASSERT_NEAR(actual, wanted, tolerance * (1.0 + std::abs(wanted)))
                << tensor.name << " [" << slice.row + row << ", " << slice.col + col << "]";
          }
        }
      }
    }
  }
  static void expect_state(TinyRun& run, const PlainAdamW& expected) {
    expect_shards(run, state(run, 0), expected.weights, "master");
    expect_shards(run, state(run, 1), expected.exp_avg, "exp_avg");
    expect_shards(run, state(run, 2), expected.exp_avg_sq, "exp_avg_sq");
    expect_weights(run, expected.weights);
  }

  static WholeTensors zeros(const ParameterTable& table) {
    return make_tensors(table, [] { return 0.0; });
  }
  static PlainAdamW fresh_state(const ParameterTable& table) {
    return {random_tensors(table, 1), zeros(table), zeros(table)};
  }

  static inline std::unique_ptr<TestRank> rank_;
};

TEST_P(ShardedAdamWTest, FirstUpdatesArePlainAdamW) {
  in_every_layout([](TinyRun& run) {
    PlainAdamW expected = fresh_state(run.table());
    set(run, expected);
    for (const int number : {1, 2}) {
      const WholeTensors gradients =
          random_tensors(run.table(), 10 + static_cast<unsigned>(number));
      update(run, gradients, number, 1.0);
      expected.update(run.table().tensors(), gradients, number, 1.0);
      expect_state(run, expected);
    }
  });
}

TEST_P(ShardedAdamWTest, Update1000CorrectsItsMoments) {
  in_every_layout([](TinyRun& run) {
    PlainAdamW expected{random_tensors(run.table(), 1), random_tensors(run.table(), 2),
                        random_tensors(run.table(), 3)};
    for (auto& tensor : expected.exp_avg_sq) {
      for (double& value : tensor) value = static_cast<float>(value * value);
    }
    const WholeTensors gradients = random_tensors(run.table(), 4);
    set(run, expected);
    update(run, gradients, 1000, 1.0);
    expected.update(run.table().tensors(), gradients, 1000, 1.0);
    expect_state(run, expected);
  });
}

TEST_P(ShardedAdamWTest, GradientsAreScaledAsClippingAsks) {
  in_every_layout([](TinyRun& run) {
    PlainAdamW expected = fresh_state(run.table());
    const WholeTensors gradients = random_tensors(run.table(), 5);
    set(run, expected);
    update(run, gradients, 1, 0.0625);
    expected.update(run.table().tensors(), gradients, 1, 0.0625);
    expect_state(run, expected);
  });
}

TEST_P(ShardedAdamWTest, OnlyMatricesDecay) {
  in_every_layout([](TinyRun& run) {
    const PlainAdamW start = fresh_state(run.table());
    set(run, start);
    update(run, zeros(run.table()), 1, 1.0);
    WholeTensors expected = start.weights;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (run.table().tensors()[i].one_dimensional) continue;
      for (double& weight : expected[i]) weight *= 1.0 - kLearningRate * kOptions.weight_decay;
    }
    expect_shards(run, state(run, 0), expected, "master");
    expect_weights(run, expected);
  });
}

TEST_P(ShardedAdamWTest, PaddingStaysZero) {
  in_every_layout([](TinyRun& run) {
    set(run, fresh_state(run.table()));
    for (int number = 1; number <= 3; ++number) {
      update(run, random_tensors(run.table(), 20), number, 1.0);
    }
    std::vector<bool> padding(static_cast<std::size_t>(run.memory().layout().size()), true);
    visit_shards(run.table(), run.memory().layout(),
                 [&](std::size_t at, std::size_t, std::size_t) { padding[at] = false; });
    for (std::size_t kind = 0; kind < run.memory().optimizer().state().size(); ++kind) {
      const std::vector<float> shards = run.shards_on_host(state(run, kind));
      int written = 0;
      for (std::size_t at = 0; at < shards.size(); ++at) {
        if (padding[at] && shards[at] != 0.0F) ++written;  // NaN too
      }
      EXPECT_EQ(written, 0);
    }
    std::int64_t padded_weights = 0;
    for (std::size_t i = 0; i < run.table().parameters().size(); ++i) {
      const int index = static_cast<int>(i);
      const std::vector<float> weights = run.to_host(run.memory().weights().shard(index));
      const auto begin = static_cast<std::size_t>(run.memory().layout().offset(index));
      for (std::size_t j = 0; j < weights.size(); ++j) {
        if (!padding[begin + j]) continue;
        EXPECT_EQ(weights[j], 0.0F) << "weights of parameter " << i;
        ++padded_weights;
      }
    }
    if (rank_->coordinator().size() > 1) {
      EXPECT_GT(rank_->coordinator().sum(padded_weights), 0) << "nothing was tested";
    }
  });
}

TEST_P(ShardedAdamWTest, LoadedMasterWeightsReachEveryRank) {
  in_every_layout([](TinyRun& run) {
    const WholeTensors weights = random_tensors(run.table(), 6);
    set(run, weights, state(run, 0));
    run.memory().optimizer().round_weights();
    run.memory().weights().gather();
    expect_weights(run, weights);
  });
}

// Integers below 2^15: the sum of their squares is exact in fp64, in any order, and far from it in
// fp32. So the norm is known to the bit, and a replica that counts twice shows.
TEST_P(ShardedAdamWTest, TheNormIsExactAndCountsEachElementOnce) {
  in_every_layout([](TinyRun& run) {
    std::mt19937 random(7);
    const WholeTensors gradients = make_tensors(run.table(), [&] {
      return static_cast<double>(static_cast<std::int64_t>(random() % 65535) - 32767);
    });
    double squares = 0.0;
    for (const auto& tensor : gradients) {
      for (const double value : tensor) squares += value * value;
    }
    float* const shards = run.memory().gradients().shards();
    set(run, gradients, shards);
    EXPECT_EQ(run.memory().optimizer().gradient_norm(shards), std::sqrt(squares));
    EXPECT_EQ(run.memory().optimizer().gradient_norm(shards), std::sqrt(squares)) << "again";
  });
}

TEST_P(ShardedAdamWTest, LargeGradientsHaveANorm) {
  in_every_layout([](TinyRun& run) {
    double count = 0.0;
    for (const LogicalTensor& t : run.table().tensors()) {
      count += static_cast<double>(t.rows * t.cols);
    }
    const WholeTensors gradients = make_tensors(run.table(), [] { return 1e30; });  // 1e60 squared
    float* const shards = run.memory().gradients().shards();
    set(run, gradients, shards);
    const double expected = 1e30 * std::sqrt(count);
    EXPECT_NEAR(run.memory().optimizer().gradient_norm(shards), expected, 1e-7 * expected);
  });
}

TEST_P(ShardedAdamWTest, OneGradientThatIsNotFiniteMakesTheNormNotFinite) {
  in_every_layout([](TinyRun& run) {
    const WholeTensors finite = random_tensors(run.table(), 8);
    float* const shards = run.memory().gradients().shards();
    for (std::size_t tensor = 0; tensor < finite.size(); ++tensor) {
      for (const double bad :
           {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
        WholeTensors gradients = finite;
        gradients[tensor].back() = bad;
        set(run, gradients, shards);
        EXPECT_FALSE(std::isfinite(run.memory().optimizer().gradient_norm(shards)))
            << bad << " in " << run.table().tensors()[tensor].name;
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Models, ShardedAdamWTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "tied" : "untied"; });

}  // namespace
}  // namespace longhaul
