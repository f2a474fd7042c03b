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
  OptionGroup layout = flags.group(kLayout);
  layout.add("tensor_model_parallel_size", &tp, "N", "ranks of a tensor-parallel group")
      .at_least(1);
  layout.add("context_parallel_size", &cp, "N", "ranks of a context-parallel group").at_least(1);
  OptionGroup measuring = flags.group("Measuring");
  measuring.add("min_size", &min_size, "SIZE", "smallest buffer");
  measuring.add("max_size", &max_size, "SIZE", "largest buffer");
  measuring.add("factor", &options.factor, "N", "between two sizes").at_least(2);
  add_bench_seconds(measuring, &options.seconds);
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  std::optional<ProcessGrid> grid;
  run.coordinator.run_collectively([&] {
    options.min_bytes = parse_byte_size(min_size, "--min_size");
    options.max_bytes = parse_byte_size(max_size, "--max_size");
    if (options.min_bytes > options.max_bytes) {
      user_error("--min_size {} is larger than --max_size {}", min_size, max_size);
    }
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
  DatasetSettings settings;  // of which the layout is used
  bench::LengthFlags lengths;
  std::string recompute = "auto";
  std::string weights;
  bench::StepOptions options;

  void add(BenchFlags& flags);
  void add_batch(BenchFlags& flags);
  [[nodiscard]] ModelConfig model() const;
  /// Completes `options`.
  void finish(const BenchFlags& flags);
};

void StepFlags::add(BenchFlags& flags) {
  OptionGroup model = flags.group("Model");
  add_bench_config(model, &config);
  model.add("layers", &layers, "N", "take so many layers of it; 0: all").at_least(0);
  model.add("tie_word_embeddings", &tie_word_embeddings, one_of({"true", "false"}),
            "the vocabulary head is the embedding; default: as the configuration says");
  model.add("weights", &weights, "DIR",
            "take the weights of this Hugging Face model; default: random ones");
  OptionGroup layout = flags.group(kLayout);
  add_layout_options(layout, settings);
  layout.add("recompute_granularity", &recompute, one_of({"auto"}, kRecomputeModes),
             "which activations are computed again in the backward pass");
  add_batch(flags);
  OptionGroup measuring = flags.group("Measuring");
  measuring.add("steps", &options.steps, "N", "steps that count").at_least(1);
  measuring.add("warmup", &options.warmup, "N", "steps before them").at_least(0);
}

void StepFlags::add_batch(BenchFlags& flags) {
  OptionGroup batch = flags.group("Batch");
  add_bench_lengths(batch, &lengths,
                    "tokens of a micro-batch's stream; 0: those of the lengths, else 16384",
                    "lengths of the stream's documents");
  batch
      .add("micro_batches", &options.micro_batches, "N",
           "micro-batches of each data-parallel rank in a step")
      .at_least(1);
  batch
      .add("loss_share", &options.loss_share, "R",
           "share of the tokens that carry loss, evenly spread")
      .check([](double share) {
        return share > 0 && share <= 1 ? "" : "must be above 0 and at most 1";
      });
  batch.add("lr", &options.learning_rate, "X", "learning rate").at_least(0.0);
  batch.add("clip_grad", &options.clip_grad, "X", "largest gradient norm; 0: no clipping")
      .at_least(0.0);
}

ModelConfig StepFlags::model() const {
  ModelConfig config_of_file = load_bench_config(config);
  if (layers > 0) config_of_file.num_layers = layers;
  if (!tie_word_embeddings.empty()) {
    config_of_file.tie_word_embeddings = tie_word_embeddings == "true";
  }
  return config_of_file;
}

void StepFlags::finish(const BenchFlags& flags) {
  constexpr std::int64_t kDefaultTokens = 16384;
  options.lengths = bench::document_lengths(lengths, kDefaultTokens);
  if (recompute != "auto") options.recompute = parse_recompute(recompute);
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
    advice = choose_layout(run.coordinator.size(), step.settings.tensor_model_parallel_size,
                           step.settings.context_parallel_size, config);
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
