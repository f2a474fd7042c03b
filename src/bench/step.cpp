#include "bench/step.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/lengths.h"
#include "bench/synthetic.h"
#include "core/error.h"
#include "core/stopwatch.h"
#include "metrics/humanize.h"
#include "train/memory_choice.h"
#include "train/model_state.h"
#include "train/outcome_metrics.h"
#include "train/run_memory.h"
#include "train/step_runner.h"

namespace longhaul::bench {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

std::string human(double bytes) { return human_bytes(bytes); }

class StepBench {
 public:
  StepBench(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
            const StepOptions& options, Report& report)
      : runtime_(runtime),
        config_(config),
        table_(table),
        options_(options),
        report_(report),
        batches_(options.lengths, options.micro_batches, options.loss_share, config.vocab_size,
                 runtime.grid) {}

  void run() {
    runtime_.coordinator.run_collectively([&] { choose_memory(); });
    describe();
    const Stopwatch watch;
    runtime_.coordinator.run_collectively([&] {
      memory_ = std::make_unique<TrainingMemory>(runtime_, config_, table_, adamw_, plan_.shape);
    });
    load();
    report_.add_result("setup_seconds", watch.seconds());
    report_.set_columns({{"step", "step", 5},
                         {"warmup", "", 0},
                         {"milliseconds", "ms", 9, 2},
                         {"tokens_per_second", "tokens/s", 11, 0},
                         {"tokens_per_second_per_device", "a device", 10, 0},
                         {"model_tflops", "TFLOP/s", 8, kSignificant},
                         {"mfu_percent", "MFU %", 6},
                         {"data_milliseconds", "data", 6},
                         {"forward_milliseconds", "forward", 8},
                         {"backward_milliseconds", "backward", 9},
                         {"communication_milliseconds", "comm", 7},
                         {"optimizer_milliseconds", "optim", 7},
                         {"memory_bytes", "", 0},
                         {"loss", "loss", 8, 4},
                         {"grad_norm", "norm", 9, 4},
                         {"updated", "updated", 7}});
    StepRunner runner(runtime_, *memory_, options_.clip_grad);
    std::vector<StepMetrics> counted;
    for (std::int64_t step = 1; step <= options_.warmup + options_.steps; ++step) {
      const StepMetrics metrics = run_step(runner, step);
      if (step > options_.warmup) counted.push_back(metrics);
    }
    add_results(counted);
  }

 private:
  void choose_memory() {
    // The padding is a document too.
    const std::int64_t longest =
        std::max(*std::max_element(options_.lengths.begin(), options_.lengths.end()),
                 padded_stream_tokens(0, runtime_.grid.layout()));
    const auto max_tokens = [&](std::int64_t /*micro_bs*/, const ParallelLayout& layout) {
      return batches_.stream_tokens(layout);
    };
    PlanRequest request =
        plan_request(runtime_, {config_, adamw_, longest, max_tokens}, options_.ranks_per_gpu);
    request.recompute = options_.recompute;
    if (auto choice = cheapest_fit(request)) {
      plan_ = std::move(choice->plan);
      return;
    }
    const MemoryPlan least = least_plan(request);
    user_error(
        "the step does not fit: a rank needs {} with recomputation {}, but only {} are free. "
        "Planned:\n{}\nUse fewer --tokens or --layers, more recomputation, or more ranks",
        human(static_cast<double>(least.bytes)), name_of(least.shape.recomputation.mode),
        human(static_cast<double>(request.free_bytes)), longhaul::describe(least));
  }

  void describe() {
    report_.say(longhaul::describe(config_));
    report_.say(fmt::format("{}; {} micro-batch{} a rank, {} (padded to {}), recomputation {}",
                            runtime_.grid.layout().describe(), options_.micro_batches,
                            options_.micro_batches == 1 ? "" : "es",
                            describe_lengths(options_.lengths), grouped(plan_.shape.max_tokens),
                            recomputation()));
  }

  [[nodiscard]] std::string recomputation() const {
    return longhaul::describe(plan_.shape.recomputation, config_.num_layers);
  }

  void load() {
    std::unique_ptr<WeightSource> source;
    runtime_.coordinator.run_collectively([&] {
      if (options_.weights.empty()) {
        source = std::make_unique<SyntheticWeights>();
      } else {
        source = open_hugging_face_weights(options_.weights, config_);
      }
    });
    load_weights(runtime_, table_, *source, *memory_);
  }

  StepMetrics run_step(StepRunner& runner, std::int64_t step) {
    const Stopwatch watch;
    const StepOutcome outcome = runner.run(
        options_.micro_batches,
        [&](std::int64_t index) -> const MicroBatch& { return batches_.build(index); },
        options_.learning_rate, updates_ + 1);
    const double seconds = watch.seconds();
    StepMetrics metrics = outcome_metrics(outcome, config_, runtime_);
    metrics.step_seconds = seconds;
    if (!metrics.skipped) ++updates_;
    metrics.memory_bytes =
        runtime_.coordinator.max(static_cast<std::int64_t>(runtime_.device.memory_used()));
    head_rows_ = outcome.totals.loss_rows;
    const auto mfu = metrics.mfu();
    const PhaseSeconds& s = metrics.seconds;
    report_.add_row({step, step <= options_.warmup, metrics.step_seconds * 1e3,
                     metrics.tokens_per_second(), metrics.tokens_per_second_per_device(),
                     metrics.model_tflops(), scaled(mfu, 100.0), s.data * 1e3, s.forward * 1e3,
                     s.backward * 1e3, s.communication * 1e3, s.optimizer * 1e3,
                     metrics.memory_bytes, metrics.loss, metrics.grad_norm, !metrics.skipped});
    return metrics;
  }

  void add_results(const std::vector<StepMetrics>& steps) {
    std::vector<double> seconds;
    std::int64_t used = 0;
    for (const StepMetrics& step : steps) {
      seconds.push_back(step.step_seconds);
      used = std::max(used, step.memory_bytes);
    }
    StepMetrics typical = steps.back();
    typical.step_seconds = median(seconds);
    report_.add_result("milliseconds", typical.step_seconds * 1e3);
    report_.add_result("best_milliseconds",
                       *std::min_element(seconds.begin(), seconds.end()) * 1e3);
    report_.add_result("tokens_per_second", typical.tokens_per_second());
    report_.add_result("tokens_per_second_per_device", typical.tokens_per_second_per_device());
    report_.add_result("model_tflops", typical.model_tflops());
    const auto mfu = typical.mfu();
    report_.add_result("mfu_percent", scaled(mfu, 100.0));
    report_.add_result("model_flops", typical.model_flops);
    report_.add_result("tokens", typical.tokens);
    report_.add_result("head_rows", head_rows_);
    report_.add_result("devices", std::int64_t{typical.devices});
    report_.add_result("recompute_granularity", recomputation());
    report_.add_result("loss", typical.loss);
    report_.say(fmt::format(
        "median of {} step{}: {:.2f} ms, {} tokens/s ({} a device), {:.4g} model TFLOP/s{}",
        steps.size(), steps.size() == 1 ? "" : "s", typical.step_seconds * 1e3,
        grouped(static_cast<std::int64_t>(typical.tokens_per_second())),
        grouped(static_cast<std::int64_t>(typical.tokens_per_second_per_device())),
        typical.model_tflops(), mfu ? fmt::format(", MFU {:.1f} %", *mfu * 100.0) : ""));
    add_memory(static_cast<double>(used));
  }

  /// Planned against reported, of the rank with most. Ranks that share a GPU see its memory whole.
  void add_memory(double used) {
    const double ranks = runtime_.device.kind() == DeviceKind::cpu ? 1.0 : options_.ranks_per_gpu;
    const double planned = static_cast<double>(plan_.bytes) * ranks;
    const double libraries = static_cast<double>(runtime_.coordinator.max(
                                 static_cast<std::int64_t>(runtime_.device.memory_overhead()))) *
                             ranks;
    const double difference = 100.0 * (used / (planned + libraries) - 1.0);
    report_.add_result("planned_bytes", static_cast<std::int64_t>(planned));
    report_.add_result("library_bytes", static_cast<std::int64_t>(libraries));
    report_.add_result("reported_bytes", static_cast<std::int64_t>(used));
    report_.add_result("memory_difference_percent", difference);
    report_.say(fmt::format("memory: {} planned + {} of libraries = {}; in use {} ({:+.1f} %)",
                            human(planned), human(libraries), human(planned + libraries),
                            human(used), difference));
  }

  Runtime& runtime_;
  const ModelConfig& config_;
  const ParameterTable& table_;
  const StepOptions& options_;
  Report& report_;
  const AdamWOptions adamw_;
  SyntheticBatches batches_;
  MemoryPlan plan_;
  std::unique_ptr<TrainingMemory> memory_;
  std::int64_t updates_ = 0;
  std::int64_t head_rows_ = 0;
};

}  // namespace

void bench_step(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
                const StepOptions& options, Report& report) {
  StepBench(runtime, config, table, options, report).run();
}

}  // namespace longhaul::bench
