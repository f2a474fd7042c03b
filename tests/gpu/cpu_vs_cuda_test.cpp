// The backend that LONGHAUL_TEST_BACKEND names (cuda; cpu_bf16 to try the test itself without a
// GPU) against the CPU in fp32, on models whose heads have the sizes of the real ones: losses,
// gradients of every parameter, and a hundred steps of training.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "hf/random_weights.h"
#include "train/tiny_run.h"

namespace longhaul {
namespace {

using testing::DocumentPack;
using testing::Numbers;
using testing::OwnedDocument;
using testing::TestRank;
using testing::TinyRun;

constexpr double kLossTolerance = 5e-3;
constexpr double kCosine = 0.999;
constexpr double kCurveTolerance = 1e-2;  // of the mean over the steps

/// Weights as a new model has them, but norms and biases that are not 1 and 0: those would hide
/// mistakes.
class RandomSource final : public WeightSource {
 public:
  void read(const LogicalTensor& tensor, const TensorSlice& r, float* out) const override {
    const bool vector = tensor.name.ends_with("norm.weight") || tensor.name.ends_with(".bias");
    const double deviation = vector ? 0.1 : 0.04;
    for (std::int64_t row = 0; row < r.rows; ++row) {
      float* const to = out + row * r.cols;
      random_.normal(tensor.name, deviation, (r.row + row) * tensor.cols + r.col, r.cols, to);
      if (!tensor.name.ends_with("norm.weight")) continue;
      for (std::int64_t col = 0; col < r.cols; ++col) to[col] += 1.0F;
    }
  }

 private:
  RandomWeights random_{1};
};

/// [0]: like Qwen3, heads of 128 with a norm; [1]: like Qwen2.5, heads of 64 with biases.
const char* const kConfigs[] = {
    R"({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": false,
        "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 128, "vocab_size": 4096,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "tie_word_embeddings": true, "hidden_act": "silu"})",
    R"({"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2",
        "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 4096,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "tie_word_embeddings": false, "hidden_act": "silu"})"};

ModelConfig config_of(int model) { return ModelConfig::parse(kConfigs[model], "config.json"); }

int cpu_threads() {
  const char* const text = std::getenv("OMP_NUM_THREADS");
  if (text != nullptr && std::atoi(text) > 0) return std::atoi(text);
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

/// Text with something to learn: most words are followed by the same word as last time.
class Language {
 public:
  Language(std::int64_t vocab, unsigned seed) : random_(seed), next_(kWords) {
    for (std::int32_t& word : next_) word = any_word();
    // Words lie all over the vocabulary, so that every rank and every tile of the head has some.
    spread_ = static_cast<std::int32_t>(vocab / kWords);
  }

  OwnedDocument document(std::int64_t length, double loss_share) {
    OwnedDocument document;
    std::int32_t word = any_word();
    bool loss = false;
    for (std::int64_t i = 0; i < length; ++i) {
      document.tokens.push_back(word * spread_ + 1);
      if (i % 16 == 0) loss = chance(loss_share);  // turns of a conversation
      document.weights.push_back(i > 0 && loss ? 1.0F : 0.0F);
      word = chance(0.9) ? next_[static_cast<std::size_t>(word)] : any_word();
    }
    return document;
  }

 private:
  static constexpr std::int32_t kWords = 256;
  std::int32_t any_word() {
    return static_cast<std::int32_t>(random_() % static_cast<std::uint32_t>(kWords));
  }
  bool chance(double share) { return static_cast<double>(random_() % 1000) < share * 1000; }

  std::mt19937 random_;
  std::vector<std::int32_t> next_;
  std::int32_t spread_ = 1;
};

/// Two packs of unequal documents: one that fills most of its pack, single tokens, odd lengths.
std::vector<DocumentPack> unequal_packs(std::int64_t vocab) {
  Language language(vocab, 7);
  DocumentPack first;
  for (const std::int64_t length : {1283, 1, 517, 64, 130, 2}) {
    first.push_back(language.document(length, 0.4));
  }
  DocumentPack second;
  for (const std::int64_t length : {37, 1100, 7, 255}) {
    second.push_back(language.document(length, 0.7));
  }
  return {first, second};
}

struct StepResult {
  double loss = 0.0;
  double grad_norm = 0.0;
  std::vector<std::vector<float>> gradients;  // by tensor, of the mean loss
  std::vector<std::string> names;
};

StepResult one_step(const TestRank& rank, int model, Recompute recompute) {
  const ModelConfig config = config_of(model);
  TinyRun::Setup setup;
  setup.max_tokens = 2048;
  setup.recompute = {recompute};
  TinyRun run(config, rank, setup);
  run.load(RandomSource());
  const StepOutcome outcome = run.step(unequal_packs(config.vocab_size), 0.0, 1);
  EXPECT_EQ(outcome.end, StepEnd::updated);
  StepResult result;
  result.loss = outcome.totals.loss();
  result.grad_norm = outcome.grad_norm;
  const std::vector<float> shards = run.shards_on_host(run.memory().gradients().shards());
  for (std::size_t i = 0; i < run.table().tensors().size(); ++i) {
    result.names.push_back(run.table().tensors()[i].name);
    result.gradients.push_back(run.tensor(static_cast<int>(i), shards));
  }
  return result;
}

std::vector<double> curve(const TestRank& rank, int model, int steps) {
  const ModelConfig config = config_of(model);
  TinyRun::Setup setup;
  setup.max_tokens = 512;
  TinyRun run(config, rank, setup);
  run.load(RandomSource());
  Language language(config.vocab_size, 11);
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    const std::vector<DocumentPack> packs{
        {language.document(301, 0.8), language.document(150, 0.5), language.document(61, 1.0)},
        {language.document(509, 0.6)}};
    const double warm_up = std::min(1.0, (step + 1) / 10.0);
    const StepOutcome outcome = run.step(packs, 1e-3 * warm_up, step + 1);
    EXPECT_EQ(outcome.end, StepEnd::updated);
    losses.push_back(outcome.totals.loss());
  }
  return losses;
}

class AgainstCpu : public ::testing::TestWithParam<int> {
 protected:
  static void SetUpTestSuite() {
    const char* const name = std::getenv("LONGHAUL_TEST_BACKEND");
    chosen_ = name != nullptr && std::string(name) != "cpu" && *name != '\0';
    if (!chosen_) return;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a test that is stopped leaves what it has said
    cpu_ = std::make_unique<TestRank>(TestRank::alone_on(
        std::make_shared<Backend>(make_cpu_backend(cpu_threads())), Numbers::fp32));
  }
  static void TearDownTestSuite() { cpu_.reset(); }
  void SetUp() override {
    if (!chosen_) GTEST_SKIP() << "LONGHAUL_TEST_BACKEND=cuda runs this";
  }

  static TestRank tested(const std::string& attention, bool deterministic = false) {
    return TestRank::alone({attention, deterministic, cpu_threads()});
  }

  static inline bool chosen_ = false;
  static inline std::unique_ptr<TestRank> cpu_;
};

TEST_P(AgainstCpu, LossAndGradientOfEveryParameter) {
  const StepResult expected = one_step(*cpu_, GetParam(), Recompute::none);
  for (const char* const attention : {"flash", "cudnn"}) {
    const TestRank rank = tested(attention);
    fmt::print("= {}\n", rank.backend().device->describe());
    double loss_without_recomputation = 0.0;
    for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
      const std::string what =
          fmt::format("attention {}, recompute {}", attention, name_of(recompute));
      const StepResult actual = one_step(rank, GetParam(), recompute);
      if (recompute == Recompute::none) loss_without_recomputation = actual.loss;
      // The forward pass is the same; another algorithm of a product may be chosen.
      EXPECT_NEAR(actual.loss / loss_without_recomputation, 1.0, 1e-4) << what;
      EXPECT_NEAR(actual.loss / expected.loss, 1.0, kLossTolerance) << what;
      EXPECT_NEAR(actual.grad_norm / expected.grad_norm, 1.0, 1e-2) << what;
      double worst = 1.0;
      std::string worst_name;
      for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
        double product = 0.0;
        double a = 0.0;
        double b = 0.0;
        for (std::size_t j = 0; j < expected.gradients[i].size(); ++j) {
          const double x = actual.gradients[i][j];
          const double y = expected.gradients[i][j];
          product += x * y;
          a += x * x;
          b += y * y;
        }
        const double cosine = product / std::max(std::sqrt(a * b), 1e-30);
        EXPECT_GE(cosine, kCosine) << expected.names[i] << ", " << what;
        EXPECT_NEAR(std::sqrt(a / b), 1.0, 2e-2) << expected.names[i] << ", " << what;
        if (!(cosine >= worst)) {
          worst = cosine;
          worst_name = expected.names[i];
        }
      }
      fmt::print("= {}: loss {:.6f} ({:+.1e}), norm {:+.1e}, worst cosine {:.6f} ({})\n", what,
                 actual.loss, actual.loss / expected.loss - 1.0,
                 actual.grad_norm / expected.grad_norm - 1.0, worst, worst_name);
    }
  }
}

TEST_P(AgainstCpu, AHundredStepsFollowTheSameCurve) {
  const int steps = 100;
  const std::vector<double> expected = curve(*cpu_, GetParam(), steps);
  const std::vector<double> actual = curve(tested("auto"), GetParam(), steps);
  double sum = 0.0;
  double largest = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(actual[i] / expected[i] - 1.0);
    sum += difference;
    largest = std::max(largest, difference);
    if (i % 10 == 9) fmt::print("  step {}: {:.5f}, cpu {:.5f}\n", i + 1, actual[i], expected[i]);
  }
  const double mean = sum / static_cast<double>(expected.size());
  fmt::print("= relative difference: mean {:.2e}, largest {:.2e}\n", mean, largest);
  EXPECT_LT(expected.back(), 0.7 * expected.front()) << "nothing was learned";
  EXPECT_LT(mean, kCurveTolerance);
}

TEST_P(AgainstCpu, DeterministicRunsRepeatToTheBit) {
  const std::vector<double> first = curve(tested("flash", true), GetParam(), 20);
  const std::vector<double> again = curve(tested("flash", true), GetParam(), 20);
  EXPECT_EQ(first, again);
}

INSTANTIATE_TEST_SUITE_P(Models, AgainstCpu, ::testing::Values(0, 1), [](const auto& info) {
  return std::string(info.param == 0 ? "qwen3" : "qwen2");
});

}  // namespace
}  // namespace longhaul
