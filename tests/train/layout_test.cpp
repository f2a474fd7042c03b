// Any layout gives the numbers of one rank: losses, gradient norms and weights over five steps, for
// every (tp, cp, dp) with the product of this mpirun that divides the heads, in each recomputation
// mode, on packs of unequal documents with unequal loss masks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "test_data.h"
#include "train/tiny_run.h"

namespace longhaul {
namespace {

using testing::DocumentPack;
using testing::Numbers;
using testing::OwnedDocument;
using testing::RankGroups;
using testing::TestRank;
using testing::TinyRun;

constexpr int kSteps = 5;
constexpr double kLearningRate = 1e-3;

/// How far a layout may be from one rank; relative, of tensors in 2-norms.
struct Tolerances {
  double loss;
  double norm;
  double gradient;  // of the first step, by tensor
  double weights;   // after all steps
};
// fp32 sums in another order: about 1e-6 on losses; AdamW's division amplifies it in the weights.
constexpr Tolerances kFp32{1e-5, 1e-5, 1e-5, 1e-5};
// bf16: layouts round at different places (partial products before they are summed over TP, NCCL's
// sums at each hop), so two layouts are two samples of the same noise. A rounding moves a value by
// 2^-9 / sqrt(3) on average, a gradient has passed some sixty of them in two layers, and there are
// two sides: 2^-9 / sqrt(3) * sqrt(60) * sqrt(2) = 1.2e-2. Losses are means over many tokens, so
// most of it cancels; where a gradient is near zero, AdamW's division makes the sign of its noise a
// whole step of 1e-3 beside weights of 0.08. The CPU with these roundings
// (LONGHAUL_TEST_BACKEND=cpu_bf16) is off by 3e-4, 3e-3, 1.6e-2 and 8e-3 on up to eight ranks. A
// mistake in a layout shows in its gradients as 1e-1 and more.
constexpr Tolerances kBf16{2e-3, 1e-2, 4e-2, 2e-2};

OwnedDocument make_document(std::mt19937& random, std::int64_t length, std::int64_t vocab,
                            double loss_share) {
  OwnedDocument document;
  for (std::int64_t i = 0; i < length; ++i) {
    document.tokens.push_back(
        static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(vocab)));
    const bool loss = i > 0 && static_cast<double>(random() % 1000) < loss_share * 1000;
    document.weights.push_back(loss ? 1.0F + static_cast<float>(random() % 3) : 0.0F);
  }
  return document;
}

/// Three packs a step: one document that spans the whole pack with loss only at its start, so that
/// most CP ranks have none; documents of many lengths, of a single token too; a short pack, of odd
/// length, so that padding differs by layout. Three packs also leave a DP rank without work.
std::vector<DocumentPack> make_step(int step, std::int64_t vocab) {
  std::mt19937 random(static_cast<std::uint32_t>(step + 1));
  OwnedDocument spanning = make_document(random, 128, vocab, 0.5);
  for (std::size_t i = 20; i < spanning.weights.size(); ++i) spanning.weights[i] = 0.0F;
  DocumentPack mixed;
  for (const std::int64_t length : {1, 45, 2, 17, 1, 33, 3, 26}) {
    mixed.push_back(make_document(random, length, vocab, 0.4));
  }
  return {{spanning}, mixed, {make_document(random, 9, vocab, 0.8)}};
}

struct Trajectory {
  std::vector<double> losses;
  std::vector<double> norms;
  std::vector<float> first_gradients;  // this rank's shards
  std::vector<float> master;           // this rank's shards, after the last step
};

Trajectory train(TinyRun& run, std::int64_t vocab) {
  Trajectory result;
  for (int step = 0; step < kSteps; ++step) {
    const StepOutcome outcome = run.step(make_step(step, vocab), kLearningRate, step + 1);
    EXPECT_EQ(outcome.end, StepEnd::updated);
    result.losses.push_back(outcome.totals.loss());
    result.norms.push_back(outcome.grad_norm);
    if (step == 0) {
      result.first_gradients = run.shards_on_host(run.memory().gradients().shards());
    }
  }
  result.master = run.to_host(run.memory().optimizer().master().all());
  return result;
}

/// All tensors of the model, by index.
using Tensors = std::vector<std::vector<float>>;

/// What one rank computes.
struct Reference {
  Trajectory trajectory;
  Tensors gradients;
  Tensors weights;
};

Reference train_on_one_rank(const ModelConfig& config, const TestRank& rank,
                            const WeightSource& source, const TinyRun::Setup& setup) {
  TinyRun run(config, rank, setup);
  run.load(source);
  Reference reference;
  reference.trajectory = train(run, config.vocab_size);
  for (std::size_t i = 0; i < run.table().tensors().size(); ++i) {
    const int index = static_cast<int>(i);
    reference.gradients.push_back(run.tensor(index, reference.trajectory.first_gradients));
    reference.weights.push_back(run.tensor(index, reference.trajectory.master));
  }
  return reference;
}

/// |shards - expected| / |expected| of every tensor, over all ranks' shards.
std::vector<double> relative_errors(TinyRun& run, const std::vector<float>& shards,
                                    const Tensors& expected) {
  const std::size_t tensors = run.table().tensors().size();
  std::vector<double> squares(2 * tensors, 0.0);  // of the differences, then of what is expected
  for (std::size_t i = 0; i < run.table().parameters().size(); ++i) {
    const Parameter& parameter = run.table().parameters()[i];
    const float* shard = shards.data() + run.memory().layout().offset(static_cast<int>(i));
    for (const ParameterPiece& piece :
         run.table().shard_pieces(parameter, /*every_replica=*/true)) {
      const TensorSlice& r = piece.slice;
      const auto tensor = static_cast<std::size_t>(piece.tensor);
      const std::int64_t tensor_cols = run.table().tensors()[tensor].cols;
      const std::vector<float>& whole = expected[tensor];
      for (std::int64_t row = 0; row < r.rows; ++row) {
        for (std::int64_t col = 0; col < r.cols; ++col) {
          const double wanted =
              whole[static_cast<std::size_t>((r.row + row) * tensor_cols + r.col + col)];
          const double actual = shard[(piece.parameter_row + row) * parameter.cols + col];
          squares[tensor] += (actual - wanted) * (actual - wanted);
          squares[tensors + tensor] += wanted * wanted;
        }
      }
    }
  }
  squares = run.runtime().coordinator.sum(squares);
  std::vector<double> errors;
  for (std::size_t i = 0; i < tensors; ++i) {
    EXPECT_GT(squares[tensors + i], 0.0);
    errors.push_back(std::sqrt(squares[i] / squares[tensors + i]));
  }
  return errors;
}

class LayoutSweep : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { rank_ = std::make_unique<TestRank>(TestRank::of_world()); }
  static void TearDownTestSuite() {
    if (rank_ == nullptr) return;
    if (rank_->coordinator().rank() == 0) {
      fmt::print("= {} ranks, {} runs, on {}\n", rank_->coordinator().size(), runs_,
                 rank_->backend().device->describe());
      fmt::print("= worst: loss {:.1e}, norm {:.1e}, first gradient {:.1e}, weights {:.1e}\n",
                 worst_.loss, worst_.norm, worst_.gradient, worst_.weights);
    }
    rank_.reset();
  }

  static const Tolerances& tolerances() {
    return rank_->numbers() == Numbers::fp32 ? kFp32 : kBf16;
  }

  /// Everything of a run against one rank.
  static void expect_equal(TinyRun& run, const Trajectory& actual, const Reference& reference,
                           const std::string& what) {
    const Trajectory& expected = reference.trajectory;
    double worst_loss = 0.0;
    double worst_norm = 0.0;
    for (std::size_t step = 0; step < kSteps; ++step) {
      const double loss = std::abs(actual.losses[step] / expected.losses[step] - 1.0);
      const double norm = std::abs(actual.norms[step] / expected.norms[step] - 1.0);
      EXPECT_LE(loss, tolerances().loss) << what << ", step " << step;
      EXPECT_LE(norm, tolerances().norm) << what << ", step " << step;
      worst_loss = std::max(worst_loss, loss);
      worst_norm = std::max(worst_norm, norm);
    }
    const auto worst_of = [&](const std::vector<float>& shards, const Tensors& wanted,
                              double tolerance, const char* kind) {
      const std::vector<double> errors = relative_errors(run, shards, wanted);
      for (std::size_t i = 0; i < errors.size(); ++i) {
        EXPECT_LE(errors[i], tolerance)
            << kind << " of " << run.table().tensors()[i].name << ", " << what;
      }
      return *std::max_element(errors.begin(), errors.end());
    };
    const double gradient = worst_of(actual.first_gradients, reference.gradients,
                                     tolerances().gradient, "first gradient");
    const double weights =
        worst_of(actual.master, reference.weights, tolerances().weights, "weights");
    ++runs_;
    worst_.loss = std::max(worst_.loss, worst_loss);
    worst_.norm = std::max(worst_.norm, worst_norm);
    worst_.gradient = std::max(worst_.gradient, gradient);
    worst_.weights = std::max(worst_.weights, weights);
  }

  static inline std::unique_ptr<TestRank> rank_;
  static inline Tolerances worst_{};  // of all runs
  static inline int runs_ = 0;
};

TEST_P(LayoutSweep, EqualsOneRank) {
  const int world = rank_->coordinator().size();
  const std::filesystem::path directory = testing::test_data() / "model_golden" / GetParam();
  const ModelConfig config = ModelConfig::load(directory);
  const auto source = open_hugging_face_weights(directory, config);
  TinyRun::Setup setup;
  setup.max_tokens = 160;
  const Reference reference = train_on_one_rank(config, rank_->detached(), *source, setup);

  int swept = 0;
  for (int tp = 1; tp <= world; ++tp) {
    if (config.num_heads % tp != 0 || config.num_kv_heads % tp != 0) continue;
    for (int cp = 1; cp <= world / tp; ++cp) {
      if (world % (tp * cp) != 0) continue;
      const ParallelLayout layout = make_layout(world, tp, cp);
      const std::shared_ptr<RankGroups> groups = rank_->connect(layout);
      // In the last one a layer keeps everything.
      for (const Recomputation recompute :
           {Recomputation{Recompute::none}, Recomputation{Recompute::selective},
            Recomputation{Recompute::full}, Recomputation{Recompute::selective, 1}}) {
        setup.recompute = recompute;
        TinyRun run(config, *rank_, groups, setup);
        run.load(*source);
        const Trajectory actual = train(run, config.vocab_size);
        expect_equal(run, actual, reference,
                     fmt::format("{}, recompute {}", layout.describe(),
                                 describe(recompute, config.num_layers)));
        ++swept;
      }
    }
  }
  EXPECT_GT(swept, 0);
}

INSTANTIATE_TEST_SUITE_P(Models, LayoutSweep,
                         ::testing::Values("qwen3_untied", "qwen3_tied", "qwen2_tied",
                                           "qwen2_untied"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace longhaul
