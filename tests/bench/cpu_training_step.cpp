// Times whole training steps of the CPU backend on one rank: forward, backward, clipping, AdamW.
// Usage: cpu_training_step MODEL_DIRECTORY TOKENS THREADS STEPS
// Prints one JSON object: the median step and tokens/s. tests/bench/cpu_step_vs_torch.py runs it
// beside PyTorch on the same model.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "core/stopwatch.h"
#include "train/tiny_run.h"

int main(int argc, char** argv) {
  using namespace longhaul;
  if (argc != 5) {
    fmt::print(stderr, "usage: cpu_training_step MODEL_DIRECTORY TOKENS THREADS STEPS\n");
    return kExitUserError;
  }
  try {
    const std::int64_t tokens = std::atoll(argv[2]);
    const int steps = std::atoi(argv[4]);
    const ModelConfig config = ModelConfig::load(argv[1]);
    testing::TinyRun::Setup setup;
    setup.max_tokens = tokens;
    setup.threads = std::atoi(argv[3]);
    testing::TinyRun run(config, setup);
    run.load(*open_hugging_face_weights(argv[1], config));

    testing::OwnedDocument document;
    for (std::int64_t i = 0; i < tokens; ++i) {
      document.tokens.push_back(static_cast<std::int32_t>(i * 7919 % config.vocab_size));
      document.weights.push_back(i == 0 ? 0.0F : 1.0F);
    }
    std::vector<double> seconds;
    double loss = 0.0;
    PhaseSeconds phases;
    for (int step = 0; step <= steps; ++step) {
      const Stopwatch watch;
      const StepOutcome outcome = run.step({{document}}, 1e-4, step + 1);
      if (step > 0) seconds.push_back(watch.seconds());  // the first step touches the memory
      loss = outcome.totals.loss();
      phases = outcome.seconds;
    }
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds[seconds.size() / 2];
    fmt::print(
        "{{\"backend\": \"{}\", \"tokens_per_second\": {:.1f}, \"step_seconds\": {:.4f}, "
        "\"forward\": {:.4f}, \"backward\": {:.4f}, \"optimizer\": {:.4f}, \"last_loss\": "
        "{:.6f}}}\n",
        run.runtime().backend.describe(), static_cast<double>(tokens) / median, median,
        phases.forward, phases.backward, phases.optimizer, loss);
    return kExitSuccess;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return kExitFailure;
  }
}
