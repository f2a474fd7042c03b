// The model and the optimizer against values that Hugging Face transformers and PyTorch computed
// for the same weights: tests/golden/make_model_golden.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "hf/safetensors_reader.h"
#include "tiny_run.h"

namespace longhaul {
namespace {

using testing::DocumentPack;
using testing::OwnedDocument;
using testing::TinyRun;

/// The arrays of one golden.safetensors.
class Golden {
 public:
  explicit Golden(const std::filesystem::path& directory)
      : file_(directory / "golden.safetensors") {}

  [[nodiscard]] std::vector<float> floats(const std::string& name) const {
    return values<float>(name);
  }
  [[nodiscard]] std::vector<std::int32_t> integers(const std::string& name) const {
    return values<std::int32_t>(name);
  }
  [[nodiscard]] bool has(const std::string& name) const { return file_.contains(name); }

  [[nodiscard]] DocumentPack documents() const {
    const std::vector<std::int32_t> tokens = integers("tokens");
    const std::vector<float> weights = floats("weights");
    DocumentPack pack;
    std::ptrdiff_t begin = 0;
    for (const std::int32_t length : integers("lengths")) {
      pack.push_back({{tokens.begin() + begin, tokens.begin() + begin + length},
                      {weights.begin() + begin, weights.begin() + begin + length}});
      begin += length;
    }
    return pack;
  }

 private:
  template <typename T>
  [[nodiscard]] std::vector<T> values(const std::string& name) const {
    const StoredTensor tensor = file_.tensor(name);
    std::vector<T> out(tensor.bytes.size() / sizeof(T));
    std::memcpy(out.data(), tensor.bytes.data(), tensor.bytes.size());
    return out;
  }

  SafetensorsReader file_;
};

double norm(const std::vector<float>& x) {
  double sum = 0.0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  return std::sqrt(sum);
}

/// |a - b| / |b|, 2-norms.
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  std::vector<float> difference(b.size());
  for (std::size_t i = 0; i < b.size(); ++i) difference[i] = a[i] - b[i];
  return norm(difference) / std::max(norm(b), 1e-30);
}

class ModelGolden : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(LONGHAUL_TEST_DATA) / "model_golden" / GetParam();
    config_ = ModelConfig::load(directory_);
    golden_ = std::make_unique<Golden>(directory_);
  }

  std::unique_ptr<TinyRun> make_run(Recompute recompute = Recompute::none) {
    TinyRun::Setup setup;
    setup.recompute = recompute;
    auto run = std::make_unique<TinyRun>(config_, setup);
    run->load(*open_hugging_face_weights(directory_, config_));
    return run;
  }

  std::filesystem::path directory_;
  ModelConfig config_;
  std::unique_ptr<Golden> golden_;
};

TEST_P(ModelGolden, LogitsAndTokenLosses) {
  const std::unique_ptr<TinyRun> run = make_run();
  // Every token but the first of a document carries loss here, so that all logits are computed.
  DocumentPack pack = golden_->documents();
  for (OwnedDocument& document : pack) {
    for (float& weight : document.weights) weight = 1.0F;
    document.weights[0] = 0.0F;
  }
  const MicroBatch& batch = run->fill(pack);
  const DeviceBatch device = run->memory().feed().upload(batch);
  Transformer& model = run->memory().model();
  model.forward(device);

  const std::vector<float> expected_nll = golden_->floats("nll");
  const std::vector<float> expected_logits = golden_->floats("logits");
  const std::size_t vocab = static_cast<std::size_t>(config_.vocab_size);
  const std::vector<float> nll(model.nll(), model.nll() + batch.loss_rows.size());
  const MatrixView logits =
      model.logits(device, 0, static_cast<std::int64_t>(batch.loss_rows.size()));
  std::vector<float> actual_logits;
  std::vector<float> wanted_logits;
  for (std::size_t i = 0; i < batch.loss_rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(batch.loss_rows[i]);
    // golden nll[t] is of predicting token t; our row t - 1 predicts it
    EXPECT_NEAR(nll[i], expected_nll[row + 1], 1e-5 * std::max(1.0F, expected_nll[row + 1]));
    for (std::size_t v = 0; v < vocab; ++v) {
      actual_logits.push_back(logits.as<float>()[i * static_cast<std::size_t>(logits.stride) + v]);
      wanted_logits.push_back(expected_logits[row * vocab + v]);
    }
  }
  ASSERT_GT(actual_logits.size(), vocab);
  EXPECT_LT(relative_error(actual_logits, wanted_logits), 1e-4);
}

TEST_P(ModelGolden, GradientOfEveryParameter) {
  for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
    const std::unique_ptr<TinyRun> run = make_run(recompute);
    const StepOutcome outcome = run->step({golden_->documents()}, 0.0, 1);
    ASSERT_EQ(outcome.end, StepEnd::updated);
    const auto scale = static_cast<float>(1.0 / outcome.totals.weight);
    const float* shards = run->memory().gradients().shards();
    for (std::size_t i = 0; i < run->table().tensors().size(); ++i) {
      const std::string& name = run->table().tensors()[i].name;
      std::vector<float> gradient = run->tensor(static_cast<int>(i), shards);
      for (float& value : gradient) value *= scale;
      EXPECT_LT(relative_error(gradient, golden_->floats("grad." + name)), 1e-4)
          << name << ", recompute " << name_of(recompute);
    }
  }
}

TEST_P(ModelGolden, TwentyAdamWSteps) {
  const std::unique_ptr<TinyRun> run = make_run();
  const std::vector<float> losses = golden_->floats("losses");
  const std::vector<float> norms = golden_->floats("grad_norms");
  for (std::size_t step = 0; step < losses.size(); ++step) {
    const StepOutcome outcome =
        run->step({golden_->documents()}, 1e-3, static_cast<std::int64_t>(step) + 1);
    ASSERT_EQ(outcome.end, StepEnd::updated);
    EXPECT_NEAR(outcome.totals.loss() / static_cast<double>(losses[step]), 1.0, 1e-4) << step;
    EXPECT_NEAR(outcome.grad_norm / static_cast<double>(norms[step]), 1.0, 1e-3) << step;
  }
  for (std::size_t i = 0; i < run->table().tensors().size(); ++i) {
    const std::string key = "trained." + run->table().tensors()[i].name;
    if (!golden_->has(key)) continue;
    EXPECT_LT(relative_error(run->tensor(static_cast<int>(i), run->memory().optimizer().master()),
                             golden_->floats(key)),
              1e-4)
        << key;
  }
}

INSTANTIATE_TEST_SUITE_P(HuggingFace, ModelGolden,
                         ::testing::Values("qwen2_tied", "qwen2_untied", "qwen2_yarn", "qwen3_tied",
                                           "qwen3_untied", "qwen3_yarn"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace longhaul
