// The model and the optimizer against values that Hugging Face transformers and PyTorch computed
// for the same weights: tests/golden/make_model_golden.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "hf/safetensors_reader.h"
#include "test_data.h"
#include "train/tiny_run.h"

namespace longhaul {
namespace {

using testing::DocumentPack;
using testing::Numbers;
using testing::OwnedDocument;
using testing::TestRank;
using testing::TinyRun;

/// How far from the goldens (fp32) a backend may be; errors are |a - b| / |b| in 2-norms.
struct Tolerances {
  double token_loss;  // of a token's loss, or of 1 when it is below 1
  double logits;
  double loss;
  double loss_over_steps;
  double grad_norm;
  double gradient_angle;  // 1 - cosine
  double gradient;
  double trained;
};
// fp32: sums in another order.
constexpr Tolerances kFp32{1e-5, 1e-4, 1e-4, 1e-4, 1e-3, 1e-8, 1e-4, 1e-4};
// bf16 rounds each activation, weight and gradient of an activation by up to 2^-9. The CPU with the
// same roundings (LONGHAUL_TEST_BACKEND=cpu_bf16) is off by 4e-3, 1.3e-2, 1e-4, 1.4e-3, 5e-2, 6e-4,
// 3.5e-2 and 1e-2; a GPU also rounds the probabilities of the attention.
constexpr Tolerances kBf16{2e-2, 3e-2, 1e-3, 1e-2, 1e-1, 1e-3, 6e-2, 3e-2};

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

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double product = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) product += static_cast<double>(a[i]) * b[i];
  return product / std::max(norm(a) * norm(b), 1e-30);
}

/// The largest of some errors, and whose it is.
struct Worst {
  double error = 0.0;
  std::string name = "none";
  void add(double candidate, const std::string& of) {
    if (candidate > error || !std::isfinite(candidate)) {
      error = candidate;
      name = of;
    }
  }
};

class ModelGolden : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { rank_ = std::make_unique<TestRank>(TestRank::alone()); }
  static void TearDownTestSuite() {
    if (rank_ == nullptr) return;
    fmt::print("= on {}\n", rank_->backend().device->describe());
    for (const auto& [what, worst] : worst_) {
      fmt::print("= worst {}: {:.1e} ({})\n", what, worst.error, worst.name);
    }
    worst_.clear();
    rank_.reset();
  }

  void SetUp() override {
    directory_ = testing::test_data() / "model_golden" / GetParam();
    config_ = ModelConfig::load(directory_);
    golden_ = std::make_unique<Golden>(directory_);
  }

  static const Tolerances& tolerances() {
    return rank_->numbers() == Numbers::fp32 ? kFp32 : kBf16;
  }
  /// Remembers an error for the suite's summary, and holds it against its tolerance.
  static void check(const char* what, double error, double tolerance, const std::string& of = "") {
    const std::string name = fmt::format("{}{}{}", GetParam(), of.empty() ? "" : ", ", of);
    worst_[what].add(error, name);
    EXPECT_LE(error, tolerance) << what << " of " << name;
  }

  std::unique_ptr<TinyRun> make_run(const Recomputation& recompute = {}) {
    TinyRun::Setup setup;
    setup.recompute = recompute;
    auto run = std::make_unique<TinyRun>(config_, *rank_, setup);
    run->load(*open_hugging_face_weights(directory_, config_));
    return run;
  }

  static inline std::unique_ptr<TestRank> rank_;
  static inline std::map<std::string, Worst> worst_;
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
  const auto rows = static_cast<std::int64_t>(batch.loss_rows.size());
  const std::vector<float> nll = run->to_host(model.nll(), rows);
  MatrixView on_device = model.logits(device, 0, rows);
  on_device.cols = config_.vocab_size;  // the rest is padding
  const std::vector<float> logits = run->to_host(on_device);
  std::vector<float> wanted_logits;
  Worst worst;
  double sum = 0.0;
  double wanted_sum = 0.0;
  for (std::size_t i = 0; i < batch.loss_rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(batch.loss_rows[i]);
    // golden nll[t] is of predicting token t; our row t - 1 predicts it
    const double wanted = expected_nll[row + 1];
    worst.add(std::abs(nll[i] - wanted) / std::max(1.0, wanted), fmt::format("row {}", row));
    sum += nll[i];
    wanted_sum += wanted;
    wanted_logits.insert(wanted_logits.end(),
                         expected_logits.begin() + static_cast<std::ptrdiff_t>(row * vocab),
                         expected_logits.begin() + static_cast<std::ptrdiff_t>((row + 1) * vocab));
  }
  ASSERT_GT(logits.size(), vocab);
  check("token loss", worst.error, tolerances().token_loss, worst.name);
  check("sum of token losses", std::abs(sum / wanted_sum - 1.0), tolerances().loss);
  check("logits", relative_error(logits, wanted_logits), tolerances().logits);
}

TEST_P(ModelGolden, GradientOfEveryParameter) {
  for (const Recomputation recompute :
       {Recomputation{Recompute::none}, Recomputation{Recompute::selective},
        Recomputation{Recompute::full}, Recomputation{Recompute::selective, 1}}) {
    const std::unique_ptr<TinyRun> run = make_run(recompute);
    const StepOutcome outcome = run->step({golden_->documents()}, 0.0, 1);
    ASSERT_EQ(outcome.end, StepEnd::updated);
    check("loss", std::abs(outcome.totals.loss() / golden_->floats("losses")[0] - 1.0),
          tolerances().loss);
    const auto scale = static_cast<float>(1.0 / outcome.totals.weight);
    const std::vector<float> shards = run->shards_on_host(run->memory().gradients().shards());
    for (std::size_t i = 0; i < run->table().tensors().size(); ++i) {
      const std::string& name = run->table().tensors()[i].name;
      std::vector<float> gradient = run->tensor(static_cast<int>(i), shards);
      for (float& value : gradient) value *= scale;
      const std::vector<float> wanted = golden_->floats("grad." + name);
      const std::string what = fmt::format("{}, recompute {}", name, name_of(recompute.mode));
      check("1 - cosine of a gradient", 1.0 - cosine(gradient, wanted), tolerances().gradient_angle,
            what);
      check("error of a gradient", relative_error(gradient, wanted), tolerances().gradient, what);
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
    const std::string name = fmt::format("step {}", step);
    check("loss over 20 steps", std::abs(outcome.totals.loss() / losses[step] - 1.0),
          tolerances().loss_over_steps, name);
    check("gradient norm over 20 steps", std::abs(outcome.grad_norm / norms[step] - 1.0),
          tolerances().grad_norm, name);
  }
  const std::vector<float> master = run->to_host(run->memory().optimizer().master().all());
  for (std::size_t i = 0; i < run->table().tensors().size(); ++i) {
    const std::string key = "trained." + run->table().tensors()[i].name;
    if (!golden_->has(key)) continue;
    check("trained weights",
          relative_error(run->tensor(static_cast<int>(i), master), golden_->floats(key)),
          tolerances().trained, key);
  }
}

INSTANTIATE_TEST_SUITE_P(HuggingFace, ModelGolden,
                         ::testing::Values("qwen2_tied", "qwen2_untied", "qwen2_yarn", "qwen3_tied",
                                           "qwen3_untied", "qwen3_yarn"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace longhaul
