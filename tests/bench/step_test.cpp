#include "bench/step.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bench/random_data.h"
#include "bench/synthetic.h"
#include "bench/tiny_model.h"
#include "core/error.h"

namespace longhaul::bench {
namespace {

class Alone {
 public:
  explicit Alone(ModelConfig model)
      : config(std::move(model)),
        grid_(ParallelLayout{1, 1, 1}, 0),
        table(config, grid_),
        backend_(make_cpu_backend(1)),
        comms_(make_self_communicators()),
        coordinator_(make_solo_coordinator()),
        log_(0, "here"),
        runtime(grid_, backend_, comms_, *coordinator_, log_) {}

  ModelConfig config;

 private:
  ProcessGrid grid_;

 public:
  ParameterTable table;

 private:
  Backend backend_;
  Communicators comms_;
  std::unique_ptr<Coordinator> coordinator_;
  Log log_;

 public:
  Runtime runtime;
};

double result(const Report& report, const char* key) {
  const Value& value = report.result(key);
  if (const auto* count = std::get_if<std::int64_t>(&value)) return static_cast<double>(*count);
  return std::get<double>(value);
}

TEST(StepBench, StepsTrainTheModel) {
  Alone alone(testing::tiny_model());
  Report report("step", nullptr);
  StepOptions options;
  options.lengths = {40, 24};
  options.micro_batches = 2;
  options.steps = 4;
  options.warmup = 1;
  options.learning_rate = 1e-2;
  bench_step(alone.runtime, alone.config, alone.table, options, report);
  ASSERT_EQ(report.rows(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(std::get<std::int64_t>(report.cell(i, "step")), static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(std::get<bool>(report.cell(i, "warmup")), i == 0);
    EXPECT_TRUE(std::get<bool>(report.cell(i, "updated")));
    EXPECT_GT(std::get<double>(report.cell(i, "milliseconds")), 0.0);
    EXPECT_GT(std::get<double>(report.cell(i, "forward_milliseconds")), 0.0);
  }
  // Random weights know nothing of 250 tokens; then they learn.
  EXPECT_NEAR(std::get<double>(report.cell(0, "loss")), std::log(250.0), 0.1);
  EXPECT_LT(std::get<double>(report.cell(4, "loss")),
            0.9 * std::get<double>(report.cell(0, "loss")));

  EXPECT_EQ(result(report, "tokens"), 128);
  EXPECT_EQ(result(report, "head_rows"), 2 * (39 + 23));
  const double flops = 6.0 * 128 * static_cast<double>(alone.config.layer_matmul_parameters()) +
                       6.0 * 124 * static_cast<double>(alone.config.head_parameters()) +
                       6.0 * 2 * 4 * 16 * 2 * (40 * 40 + 24 * 24);
  EXPECT_DOUBLE_EQ(result(report, "model_flops"), flops);
  EXPECT_NEAR(result(report, "model_tflops"), flops / result(report, "milliseconds") * 1e-9, 1e-9);
  EXPECT_GT(result(report, "planned_bytes"),
            16.0 * static_cast<double>(alone.config.total_parameters()));
  EXPECT_GT(result(report, "reported_bytes"), 0.0);
  EXPECT_TRUE(std::isfinite(result(report, "memory_difference_percent")));
}

TEST(StepBench, RefusesWhatDoesNotFit) {
  ModelConfig config = testing::tiny_model();
  config.hidden_size = 1 << 16;
  config.intermediate_size = 1 << 20;
  config.num_layers = 100;
  Alone alone(config);
  Report report("step", nullptr);
  StepOptions options;
  options.lengths = {64};
  try {
    bench_step(alone.runtime, alone.config, alone.table, options, report);
    FAIL() << "a hundred huge layers fit";
  } catch (const CollectiveError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("does not fit"), std::string::npos);
    EXPECT_NE(text.find("optimizer state"), std::string::npos);
    EXPECT_NE(text.find("--layers"), std::string::npos);
  }
}

TEST(SyntheticBatches, LossIsSpreadEvenly) {
  const ProcessGrid grid(ParallelLayout{1, 1, 1}, 0);
  SyntheticBatches batches({1000}, 1, 0.25, 97, grid);
  const MicroBatch& batch = batches.build(0);
  EXPECT_NEAR(static_cast<double>(batch.loss_rows.size()), 250.0, 1.0);
  for (std::size_t i = 1; i < batch.loss_rows.size(); ++i) {
    EXPECT_EQ(batch.loss_rows[i] - batch.loss_rows[i - 1], 4);
  }
  SyntheticBatches all({1000}, 1, 1.0, 97, grid);
  EXPECT_EQ(all.build(0).loss_rows.size(), 999U);
}

TEST(SyntheticBatches, RanksShareStreamsAndPacksDiffer) {
  const ParallelLayout layout{1, 1, 2};
  const ProcessGrid first(layout, 0);
  const ProcessGrid second(layout, 1);
  SyntheticBatches a({64}, 2, 1.0, 97, first);
  SyntheticBatches b({64}, 2, 1.0, 97, second);
  EXPECT_EQ(a.build(1).ids[3], synthetic_token(1, 3, 97));
  EXPECT_EQ(b.build(0).ids[3], synthetic_token(2, 3, 97));
  EXPECT_NE(std::vector(a.build(0).ids), std::vector(a.build(1).ids));
}

TEST(SyntheticWeights, DoNotDependOnTheRectangle) {
  const SyntheticWeights weights;
  const LogicalTensor tensor{"model.layers.0.mlp.up_proj.weight", 6, 10};
  std::vector<float> whole(60);
  weights.read(tensor, {.row = 0, .col = 0, .rows = 6, .cols = 10}, whole.data());
  std::vector<float> part(3 * 4);
  weights.read(tensor, {.row = 2, .col = 5, .rows = 3, .cols = 4}, part.data());
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t col = 0; col < 4; ++col) {
      EXPECT_EQ(part[row * 4 + col], whole[(row + 2) * 10 + col + 5]);
    }
  }
  std::vector<float> norm(5);
  weights.read({"model.norm.weight", 5, 1, true}, {.rows = 5, .cols = 1}, norm.data());
  EXPECT_EQ(norm, std::vector<float>(5, 1.0F));
}

}  // namespace
}  // namespace longhaul::bench
