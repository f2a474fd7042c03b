// longhaul bench collectives, step: what all ranks of a run do together.
#include <optional>

#include "app/backend_factory.h"
#include "app/flags/bench_flags.h"
#include "bench/collectives.h"
#include "bench/lengths.h"
#include "bench/step.h"
#include "core/error.h"
#include "hf/byte_size.h"
#include "plan/layout_advice.h"

namespace longhaul {
namespace {

constexpr const char* kLayout = "Layout";

/// Runs `measure(backend, comms, report)` with the groups of `grid`, to the finished report.
template <typename Measure>
int run_on_grid(BenchRun& run, const BenchFlags& flags, const char* name, const ProcessGrid& grid,
                Measure measure) {
  Backend backend = make_backend(flags.backend(), run.coordinator, run.log);
  Communicators comms = make_communicators(*backend.device, run.world, run.coordinator, grid,
                                           flags.backend(), run.log);
  poll_communication(*backend.device, comms, run.coordinator.progress());
  bench::Report report(name, run.out());
  flags.begin(report, backend);
  try {
    measure(backend, comms, report);
    flags.end(report, run.coordinator);
    if (run.coordinator.rank() == 0) save_learned(*backend.ops, run.log);
  } catch (...) {
    comms.abort();
    throw;
  }
  return kExitSuccess;
}

}  // namespace

int run_bench_collectives(BenchRun& run) {
  bench::CollectiveOptions options;
  int tp = 1;
  int cp = 1;
  std::string min_size = "64KiB";
  std::string max_size = "1GiB";
  BenchFlags flags("collectives [flags]",
                   "Times all_gather, reduce_scatter and all_reduce in every group of the layout. "
                   "Start one process a rank with mpirun or srun. Sizes, algbw and busbw are those "
                   "of nccl-tests.");
  flags.add(kLayout, "tensor_model_parallel_size", &tp, "N", "ranks of a tensor-parallel group");
  flags.add(kLayout, "context_parallel_size", &cp, "N", "ranks of a context-parallel group");
  flags.add("Measuring", "min_size", &min_size, "SIZE", "smallest buffer");
  flags.add("Measuring", "max_size", &max_size, "SIZE", "largest buffer");
  flags.add("Measuring", "factor", &options.factor, "N", "between two sizes");
  flags.add("Measuring", "seconds", &options.seconds, "X", "time for each row, about");
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  std::optional<ProcessGrid> grid;
  run.coordinator.run_collectively([&] {
    options.min_bytes = parse_byte_size(min_size, "--min_size");
    options.max_bytes = parse_byte_size(max_size, "--max_size");
    if (options.min_bytes > options.max_bytes) {
      user_error("--min_size {} is larger than --max_size {}", min_size, max_size);
    }
    if (options.factor < 2) user_error("--factor {}: must be at least 2", options.factor);
    if (!(options.seconds > 0)) user_error("--seconds {}: must be above 0", options.seconds);
    if (tp < 1) user_error("--tensor_model_parallel_size {}: must be at least 1", tp);
    if (cp < 1) user_error("--context_parallel_size {}: must be at least 1", cp);
    if (run.coordinator.size() == 1) {
      user_error(
          "one rank has nothing to exchange; start several, as in: mpirun -n 2 longhaul bench "
          "collectives");
    }
    grid.emplace(make_layout(run.coordinator.size(), tp, cp), run.coordinator.rank());
  });
  return run_on_grid(run, flags, "collectives", *grid,
                     [&](Backend& backend, const Communicators& comms, bench::Report& report) {
                       report.add_argument("layout", grid->layout().describe());
                       bench::bench_collectives(backend, comms, run.coordinator, *grid, options,
                                                report);
                     });
}

namespace {

/// The flags of `bench step`.
struct StepFlags {
  std::string config;
  int layers = 0;
  std::string tie_word_embeddings;
  int tp = 0;
  int cp = 0;
  bench::LengthFlags lengths;
  std::string recompute = "auto";
  std::string weights;
  bench::StepOptions options;

  void add(BenchFlags& flags);
  [[nodiscard]] ModelConfig model() const;
  /// Checks the values and completes `options`.
  void finish(const BenchFlags& flags);
};

void StepFlags::add(BenchFlags& flags) {
  flags.add("Model", "config", &config, "FILE|DIR",
            "the config.json of a Qwen2 or Qwen3 model, or a directory that holds one");
  flags.add("Model", "layers", &layers, "N", "take so many layers of it; 0: all");
  flags.add("Model", "tie_word_embeddings", &tie_word_embeddings, "true|false",
            "the vocabulary head is the embedding; default: as the configuration says");
  flags.add("Model", "weights", &weights, "DIR",
            "take the weights of this Hugging Face model; default: random ones");
  flags.add(kLayout, "tensor_model_parallel_size", &tp, "N",
            "ranks that share each weight matrix; 0: chosen");
  flags.add(kLayout, "context_parallel_size", &cp, "N",
            "ranks that share each token stream; 0: chosen");
  flags.add(kLayout, "recompute_granularity", &recompute, "auto|none|selective|full",
            "which activations are computed again in the backward pass");
  flags.add("Batch", "tokens", &lengths.tokens, "N",
            "tokens of a micro-batch's stream; 0: those of the lengths, else 16384");
  flags.add("Batch", "lengths", &lengths.lengths, "N,N,...", "lengths of the stream's documents");
  flags.add("Batch", "lengths_file", &lengths.lengths_file, "FILE", "the same, one a line");
  flags.add("Batch", "documents", &lengths.documents, "N",
            "cut the tokens into N equal documents; 0: one, or the lengths");
  flags.add("Batch", "micro_batches", &options.micro_batches, "N",
            "micro-batches of each data-parallel rank in a step");
  flags.add("Batch", "loss_share", &options.loss_share, "R",
            "share of the tokens that carry loss, evenly spread");
  flags.add("Batch", "lr", &options.learning_rate, "X", "learning rate");
  flags.add("Batch", "clip_grad", &options.clip_grad, "X", "largest gradient norm; 0: no clipping");
  flags.add("Measuring", "steps", &options.steps, "N", "steps that count");
  flags.add("Measuring", "warmup", &options.warmup, "N", "steps before them");
}

ModelConfig StepFlags::model() const {
  ModelConfig config_of_file = load_bench_config(config);
  if (layers < 0) user_error("--layers {}: must not be negative", layers);
  if (layers > 0) config_of_file.num_layers = layers;
  if (tie_word_embeddings == "true" || tie_word_embeddings == "false") {
    config_of_file.tie_word_embeddings = tie_word_embeddings == "true";
  } else if (!tie_word_embeddings.empty()) {
    user_error("--tie_word_embeddings {}: choose true or false", tie_word_embeddings);
  }
  return config_of_file;
}

void StepFlags::finish(const BenchFlags& flags) {
  constexpr std::int64_t kDefaultTokens = 16384;
  options.lengths = bench::document_lengths(lengths, kDefaultTokens);
  if (recompute != "auto") options.recompute = parse_recompute(recompute);
  const auto at_least = [](const char* name, std::int64_t value, std::int64_t least) {
    if (value < least) user_error("--{} {}: must be at least {}", name, value, least);
  };
  at_least("micro_batches", options.micro_batches, 1);
  at_least("steps", options.steps, 1);
  at_least("warmup", options.warmup, 0);
  at_least("tensor_model_parallel_size", tp, 0);
  at_least("context_parallel_size", cp, 0);
  if (!(options.loss_share > 0 && options.loss_share <= 1)) {
    user_error("--loss_share {}: must be above 0 and at most 1", options.loss_share);
  }
  if (!(options.learning_rate >= 0)) {
    user_error("--lr {}: must not be negative", options.learning_rate);
  }
  if (!(options.clip_grad >= 0)) {
    user_error("--clip_grad {}: must not be negative", options.clip_grad);
  }
  options.weights = weights;
  options.ranks_per_gpu = flags.backend().ranks_per_gpu;
}

}  // namespace

int run_bench_step(BenchRun& run) {
  StepFlags step;
  BenchFlags flags(
      "step --config DIR [flags]",
      "Times whole optimizer steps as training runs them, on random weights and tokens: "
      "tokens/s, model TFLOP/s, time by phase, and memory as planned and as used. "
      "Under mpirun or srun it runs in any layout.");
  step.add(flags);
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  ModelConfig config;
  LayoutAdvice advice;
  std::optional<ProcessGrid> grid;
  std::optional<ParameterTable> table;
  run.coordinator.run_collectively([&] {
    config = step.model();
    step.finish(flags);
    advice = choose_layout(run.coordinator.size(), step.tp, step.cp, config);
    grid.emplace(advice.layout, run.coordinator.rank());
    table.emplace(config, *grid);
  });
  return run_on_grid(run, flags, "step", *grid,
                     [&](Backend& backend, Communicators& comms, bench::Report& report) {
                       report.add_argument("layout", grid->layout().describe());
                       Runtime runtime(*grid, backend, comms, run.coordinator, run.log);
                       bench::bench_step(runtime, config, *table, step.options, report);
                     });
}

}  // namespace longhaul
