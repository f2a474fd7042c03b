// Any layout gives the numbers of one rank: losses, gradient norms and weights over five steps, for
// every (tp, cp, dp) with the product of this mpirun that divides the heads, in each recomputation
// mode, on packs of unequal documents with unequal loss masks.
#include <gtest/gtest.h>
#include <mpi.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "comm/mpi_communicator.h"
#include "comm/mpi_runtime.h"
#include "tiny_run.h"

namespace longhaul {
namespace {

using testing::DocumentPack;
using testing::OwnedDocument;
using testing::TinyRun;

constexpr int kSteps = 5;
constexpr double kLearningRate = 1e-3;
// fp32 sums in another order: about 1e-6 on losses; AdamW's division amplifies it in the weights.
constexpr double kTolerance = 1e-5;

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
};

Trajectory train(TinyRun& run, std::int64_t vocab) {
  Trajectory result;
  for (int step = 0; step < kSteps; ++step) {
    const StepOutcome outcome = run.step(make_step(step, vocab), kLearningRate, step + 1);
    EXPECT_EQ(outcome.end, StepEnd::updated);
    result.losses.push_back(outcome.totals.loss());
    result.norms.push_back(outcome.grad_norm);
  }
  return result;
}

/// |weights - reference| / |reference| of every tensor, over all ranks' shards.
void expect_equal_weights(TinyRun& run, TinyRun& reference, const std::string& what) {
  const std::size_t tensors = run.table().tensors().size();
  std::vector<double> squares(2 * tensors, 0.0);  // of the differences, then of the reference
  for (std::size_t i = 0; i < run.table().parameters().size(); ++i) {
    const Parameter& parameter = run.table().parameters()[i];
    const float* shard =
        run.memory().optimizer().master() + run.memory().layout().offset(static_cast<int>(i));
    for (const Rectangle& r : run.table().shard_rectangles(parameter, /*every_replica=*/true)) {
      const auto tensor = static_cast<std::size_t>(r.tensor);
      const std::int64_t tensor_cols = run.table().tensors()[tensor].cols;
      const std::vector<float> whole =
          reference.tensor(r.tensor, reference.memory().optimizer().master());
      for (std::int64_t row = 0; row < r.rows; ++row) {
        for (std::int64_t col = 0; col < r.cols; ++col) {
          const double expected =
              whole[static_cast<std::size_t>((r.row + row) * tensor_cols + r.col + col)];
          const double actual = shard[(r.parameter_row + row) * parameter.cols + col];
          squares[tensor] += (actual - expected) * (actual - expected);
          squares[tensors + tensor] += expected * expected;
        }
      }
    }
  }
  squares = run.runtime().coordinator.sum(squares);
  for (std::size_t i = 0; i < tensors; ++i) {
    EXPECT_GT(squares[tensors + i], 0.0);
    EXPECT_LE(std::sqrt(squares[i]), kTolerance * std::sqrt(squares[tensors + i]))
        << run.table().tensors()[i].name << ", " << what;
  }
}

class LayoutSweep : public ::testing::TestWithParam<const char*> {};

TEST_P(LayoutSweep, EqualsOneRank) {
  int world = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &world);
  const std::filesystem::path directory =
      std::filesystem::path(LONGHAUL_TEST_DATA) / "model_golden" / GetParam();
  const ModelConfig config = ModelConfig::load(directory);
  const auto source = open_hugging_face_weights(directory, config);
  TinyRun::Setup setup;
  setup.max_tokens = 160;

  TinyRun reference(config, setup);
  reference.load(*source);
  const Trajectory expected = train(reference, config.vocab_size);

  int swept = 0;
  for (int tp = 1; tp <= world; ++tp) {
    if (config.num_heads % tp != 0 || config.num_kv_heads % tp != 0) continue;
    for (int cp = 1; cp <= world / tp; ++cp) {
      if (world % (tp * cp) != 0) continue;
      const Layout layout = make_layout(world, tp, cp);
      for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
        const std::string what =
            fmt::format("{}, recompute {}", layout.describe(), name_of(recompute));
        setup.recompute = recompute;
        auto coordinator = make_mpi_coordinator(MPI_COMM_WORLD);
        const ProcessGrid grid(layout, coordinator->rank());
        TinyRun run(config, layout, std::move(coordinator),
                    make_mpi_communicators(MPI_COMM_WORLD, grid), setup);
        run.load(*source);
        const Trajectory actual = train(run, config.vocab_size);
        for (std::size_t step = 0; step < kSteps; ++step) {
          EXPECT_NEAR(actual.losses[step] / expected.losses[step], 1.0, kTolerance)
              << what << ", step " << step;
          EXPECT_NEAR(actual.norms[step] / expected.norms[step], 1.0, kTolerance)
              << what << ", step " << step;
        }
        expect_equal_weights(run, reference, what);
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
