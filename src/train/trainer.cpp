#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "core/stopwatch.h"
#include "core/version.h"
#include "data/batches/run_plan.h"
#include "train/outcome_metrics.h"
#include "train/run_memory.h"

namespace longhaul {
namespace {

constexpr std::size_t kNamedSamples = 20;

/// The signal that some rank was asked to stop with; the same answer on all ranks.
std::int64_t largest_signal(const std::vector<RankStep>& ranks) {
  std::int64_t signal = 0;
  for (const RankStep& rank : ranks) signal = std::max(signal, rank.stop_signal);
  return signal;
}

}  // namespace

Trainer::Trainer(Runtime& runtime, const TrainOptions& options, const ModelConfig& config,
                 const ParameterTable& table, const Dataset& dataset)
    : runtime_(runtime), options_(options), config_(config), table_(table), dataset_(dataset) {
  packs_ = dataset.training_packs();
  validation_packs_ = dataset.validation_packs();
  choose_memory();

  ScheduleOptions schedule = training_schedule(options.run_plan(runtime.grid.layout()),
                                               parse_packing(options.packing), options.seed);
  schedule.micro_bs = memory_choice_.micro_bs;
  schedule_ = std::make_unique<StepSchedule>(packs_, schedule);
  if (!validation_packs_.empty()) {
    schedule.order = EpochOrder::as_given;
    schedule.epochs = 1;
    schedule.train_iters.reset();
    validation_schedule_ = std::make_unique<StepSchedule>(validation_packs_, schedule);
  }
  learning_rate_ = make_learning_rate();
}

LearningRateSchedule Trainer::make_learning_rate() const {
  LearningRateSchedule rate;
  rate.lr = options_.lr;
  rate.min_lr = options_.min_lr;
  rate.style = parse_decay_style(options_.lr_decay_style);
  rate.total_packs = static_cast<double>(schedule_->packs_before(schedule_->total_steps()));
  rate.warmup_packs = options_.lr_warmup_iters > 0
                          ? static_cast<double>(options_.lr_warmup_iters * options_.global_bs)
                          : options_.lr_warmup_fraction * rate.total_packs;
  return rate;
}

void Trainer::choose_memory() {
  // The padding is a document too.
  std::int64_t longest = padded_stream_tokens(0, runtime_.grid.layout());
  for (const auto samples : {dataset_.training(), dataset_.validation()}) {
    for (const std::int64_t sample : samples) longest = std::max(longest, dataset_.length(sample));
  }
  const auto max_tokens = [&](std::int64_t micro_bs, const ParallelLayout& layout) {
    return padded_stream_tokens(std::max(largest_micro_batch(packs_, micro_bs),
                                         largest_micro_batch(validation_packs_, micro_bs)),
                                layout);
  };
  PlanRequest request = plan_request(runtime_, {config_, options_.adamw(), longest, max_tokens},
                                     options_.ranks_per_gpu);
  request.micro_bs = options_.micro_bs;
  if (options_.recompute_granularity != "auto") {
    request.recompute = parse_recompute(options_.recompute_granularity);
  }
  memory_choice_ = longhaul::choose_memory(request);
  if (!memory_choice_.note.empty()) runtime_.log.info("{}", memory_choice_.note);
  if (longest > config_.max_position_embeddings && config_.max_position_embeddings > 0) {
    runtime_.log.warning(
        "the longest sample has {} tokens, the model was made for {} positions; its config.json "
        "can ask for YaRN (rope_scaling) to go further",
        longest, config_.max_position_embeddings);
  }
}

RunRecord Trainer::record() const {
  return {options_, config_, runtime_.grid.layout(), runtime_.device.describe(),
          dataset_.describe_identity()};
}

void Trainer::load(const std::optional<std::filesystem::path>& resume) {
  const MemoryShape& shape = memory_choice_.plan.shape;
  runtime_.coordinator.run_collectively([&] {
    memory_ = std::make_unique<TrainingMemory>(runtime_, config_, table_, options_.adamw(), shape);
  });
  if (resume) {
    std::optional<CheckpointReader> reader;
    runtime_.coordinator.run_collectively([&] {
      reader.emplace(*resume);
      state_ = resume_state(reader->metadata(), record(), resume->string());
    });
    load_training_state(runtime_, table_, *reader, *memory_);
  } else {
    std::unique_ptr<CheckpointReader> reader;
    std::unique_ptr<WeightSource> source;
    runtime_.coordinator.run_collectively([&] {
      if (is_checkpoint(options_.model)) {
        reader = std::make_unique<CheckpointReader>(*find_checkpoint(options_.model));
        source = open_checkpoint_weights(*reader);
      } else {
        source = open_hugging_face_weights(options_.model, config_);
      }
    });
    for (const std::string& note : source->notes()) runtime_.log.warning("{}", note);
    load_weights(runtime_, table_, *source, *memory_);
  }
  runner_ = std::make_unique<StepRunner>(runtime_, *memory_, options_.clip_grad);
  batches_ = std::make_unique<PackBatches>(dataset_, packs_, runtime_.grid, shape.max_tokens);
  validation_batches_ =
      std::make_unique<PackBatches>(dataset_, validation_packs_, runtime_.grid, shape.max_tokens);
  start_checkpoints();
}

void Trainer::start_checkpoints() {
  snapshot_ = std::make_unique<StateSnapshot>(runtime_, table_, *memory_);
  CheckpointWriterOptions writer;
  writer.save = options_.save;
  writer.save_total_limit = options_.save_total_limit;
  writer.warn = [this](const std::string& text) { notify(text); };
  writer.completed = [this](const CompletedCheckpoint& done) {
    reporter_->checkpoint({done.step, done.directory.string(), done.bytes, done.background_seconds,
                           snapshot_seconds_ + done.blocked_seconds, snapshot_seconds_});
  };
  writer_ = std::make_unique<CheckpointWriter>(runtime_.coordinator, std::move(writer));
}

StepMetrics Trainer::train_step(std::int64_t step, const std::function<int()>& stop_signal,
                                std::vector<RankStep>& ranks) {
  const Stopwatch watch;
  ProgressRecord& progress = runtime_.coordinator.progress();
  progress.begin_step(step + 1);
  progress.enter_phase("data");
  const double waited_before = progress.waited_seconds();
  const StepPlan plan = schedule_->plan(step);
  const double rate =
      learning_rate_.at(schedule_->packs_before(step), schedule_->packs_before(step + 1));
  const StepOutcome outcome = runner_->run(
      plan.micro_batches,
      [&](std::int64_t index) -> const MicroBatch& { return batches_->build(plan, index); }, rate,
      state_.updates + 1);
  state_.step = step + 1;
  state_.consumed_samples = schedule_->samples_before(step + 1);
  handle_skip(step, plan, outcome);

  StepMetrics metrics = outcome_metrics(outcome, config_, runtime_);
  metrics.step = step + 1;
  metrics.total_steps = schedule_->total_steps();
  metrics.epoch = schedule_->epochs_before(step + 1);
  metrics.learning_rate = rate;
  metrics.samples = schedule_->samples_before(step + 1) - schedule_->samples_before(step);
  metrics.packs = static_cast<std::int64_t>(plan.packs.size());
  metrics.consumed_samples = state_.consumed_samples;
  metrics.seconds.checkpoint = std::exchange(checkpoint_seconds_, 0.0);
  progress.enter_phase("step end");
  RankStep mine;
  mine.memory_bytes = static_cast<std::int64_t>(runtime_.device.memory_used());
  mine.stop_signal = stop_signal ? stop_signal() : 0;
  double waited = progress.waited_seconds() - waited_before;
  // Collectives on a device wait there, and only those that nothing hides are known.
  if (runtime_.device.kind() != DeviceKind::cpu) waited += outcome.seconds.communication;
  mine.compute_seconds = watch.seconds() - waited;
  ranks = exchange_steps(runtime_.coordinator, mine);
  add_devices(metrics, ranks);
  metrics.step_seconds = watch.seconds();
  return metrics;
}

void Trainer::add_devices(StepMetrics& metrics, const std::vector<RankStep>& ranks) {
  for (const RankStep& rank : ranks) {
    metrics.memory_bytes = std::max(metrics.memory_bytes, rank.memory_bytes);
  }
  metrics.peak_memory_bytes = std::max(metrics.memory_bytes, peak_memory_);
  peak_memory_ = metrics.peak_memory_bytes;
  if (const auto health = runtime_.device.health()) {
    metrics.gpu = GpuSample{health->clock_mhz, health->power_w, health->temperature_c};
  }
  if (stragglers_ != nullptr) metrics.spread = stragglers_->add(metrics.step, ranks);
}

void Trainer::report(const StepMetrics& metrics) const {
  reporter_->step(metrics);
  if (const std::string slow = stragglers_->take_message(); !slow.empty()) {
    reporter_->message(slow);
  }
}

void Trainer::notify(const std::string& text) const {
  if (reporter_ != nullptr) {
    reporter_->message(text);
  } else {
    runtime_.log.warning("{}", text);
  }
}

void Trainer::handle_skip(std::int64_t step, const StepPlan& plan, const StepOutcome& outcome) {
  if (outcome.end == StepEnd::updated) {
    ++state_.updates;
    state_.skipped_in_a_row = 0;
    return;
  }
  std::vector<std::string> ids;
  for (const std::int64_t pack : plan.packs) {
    for (const std::int64_t sample : packs_[static_cast<std::size_t>(pack)].samples) {
      ids.push_back(dataset_.id(sample));
    }
  }
  const std::size_t named = std::min(ids.size(), kNamedSamples);
  const std::string list = fmt::format("{}{}", fmt::join(ids.begin(), ids.begin() + named, ", "),
                                       named < ids.size() ? ", ..." : "");
  if (outcome.end == StepEnd::no_loss) {
    notify(fmt::format("step {}: none of its tokens carries loss, nothing was updated; samples: {}",
                       step + 1, list));
    return;
  }
  ++state_.skipped_in_a_row;
  notify(
      fmt::format("step {}: loss {} and gradient norm {} are not both finite, the update was "
                  "skipped; its {} samples: {}",
                  step + 1, outcome.totals.loss(), outcome.grad_norm, ids.size(), list));
  if (state_.skipped_in_a_row >= options_.max_skipped_steps) {
    throw NonFiniteError(
        fmt::format("{} steps in a row had no finite loss or gradient, the last was step {}; the "
                    "checkpoints in {} are from before; look at the samples named above, or lower "
                    "--lr (--max_skipped_steps sets the limit)",
                    state_.skipped_in_a_row, step + 1, options_.save),
        runtime_.coordinator.rank() == 0, kExitFailure);
  }
}

std::optional<double> Trainer::evaluate(std::int64_t step) {
  if (validation_schedule_ == nullptr) return std::nullopt;
  const PhaseScope phase(runtime_.coordinator.progress(), "evaluation", Pace::work);
  const Stopwatch watch;
  BatchTotals totals;
  for (std::int64_t i = 0; i < validation_schedule_->total_steps(); ++i) {
    const StepPlan plan = validation_schedule_->plan(i);
    const BatchTotals part =
        runner_->evaluate(plan.micro_batches, [&](std::int64_t index) -> const MicroBatch& {
          return validation_batches_->build(plan, index);
        });
    totals.weighted_nll += part.weighted_nll;
    totals.weight += part.weight;
    totals.trained_tokens += part.trained_tokens;
  }
  if (reporter_ != nullptr) {
    const auto samples = static_cast<std::int64_t>(dataset_.validation().size());
    reporter_->evaluation({step, totals.loss(), samples, totals.trained_tokens, watch.seconds()});
  }
  return totals.loss();
}

void Trainer::save_checkpoint() {
  const Stopwatch watch;
  const PhaseScope phase(runtime_.coordinator.progress(), "checkpoint", Pace::work);
  if (reporter_ != nullptr) reporter_->sync();
  writer_->finish();  // the snapshot's memory is its until then
  const Stopwatch copying;
  CheckpointContents contents;
  contents.step = state_.step;
  contents.metadata = to_metadata(state_, record());
  contents.slabs = snapshot_->take();
  snapshot_seconds_ = copying.seconds();
  writer_->write(std::move(contents));
  checkpoint_seconds_ += watch.seconds();
}

void Trainer::describe(RunOverview& overview) const {
  overview.version = kVersion;
  overview.model = longhaul::describe(config_);
  overview.model_path = options_.model;
  overview.parameters = config_.total_parameters();
  overview.backend = runtime_.device.describe();
  overview.train_samples = static_cast<std::int64_t>(dataset_.training().size());
  overview.validation_samples = static_cast<std::int64_t>(dataset_.validation().size());
  overview.train_tokens = dataset_.training_tokens();
  overview.rows_read = dataset_.counts().read;
  overview.rows_rejected = dataset_.counts().rejected;
  overview.packs = static_cast<std::int64_t>(packs_.size());
  overview.max_length = options_.max_length;
  overview.global_batch = options_.global_bs;
  overview.micro_batch = memory_choice_.micro_bs;
  overview.total_steps = schedule_->total_steps();
  overview.epochs = schedule_->epochs_before(schedule_->total_steps());
  overview.resume_step = state_.step;
  overview.save_path = options_.save;
  overview.extra.emplace_back(
      "memory",
      fmt::format("{} a rank, recomputation {}",
                  human_bytes(static_cast<double>(memory_choice_.plan.bytes)),
                  longhaul::describe(memory_choice_.recomputation(), config_.num_layers)));
}

int Trainer::run(RunOverview overview, const std::function<int()>& stop_signal) {
  std::vector<std::string> hosts = runtime_.coordinator.all_gather(runtime_.coordinator.host());
  runtime_.coordinator.run_collectively([&] {
    if (runtime_.grid.rank() != 0) return;
    stragglers_ = std::make_unique<StragglerWatch>(options_.straggler_factor, options_.log_interval,
                                                   std::move(hosts));
    reporter_ = std::make_unique<RunReporter>(options_.save, state_.step, options_.log_interval);
    describe(overview);
    reporter_->opening(overview, options_.to_json());
  });
  const std::int64_t total = schedule_->total_steps();
  const std::int64_t eval_interval =
      options_.eval_interval > 0 ? options_.eval_interval : options_.save_interval;
  std::int64_t saved = state_.step;
  std::int64_t signal = 0;
  std::vector<RankStep> ranks;
  try {
    while (state_.step < total && signal == 0) {
      StepMetrics metrics = train_step(state_.step, stop_signal, ranks);
      if (writer_->under_way()) {
        const Stopwatch watch;
        const PhaseScope phase(runtime_.coordinator.progress(), "checkpoint", Pace::work);
        writer_->poll();
        checkpoint_seconds_ += watch.seconds();
      }
      const bool last = state_.step == total;
      if (!last) signal = largest_signal(ranks);
      // Whoever asks to stop has little time: an evaluation can take minutes.
      const bool due = last || (signal == 0 && state_.step % eval_interval == 0);
      if (due) metrics.eval_loss = evaluate(state_.step);
      if (reporter_ != nullptr) report(metrics);
      if (last || signal != 0 || state_.step % options_.save_interval == 0) {
        save_checkpoint();
        saved = state_.step;
      }
    }
    const PhaseScope phase(runtime_.coordinator.progress(), "checkpoint", Pace::work);
    writer_->finish();
  } catch (const CollectiveError&) {
    // All ranks are here: a checkpoint under way can still be completed.
    try {
      writer_->finish();
    } catch (const CollectiveError& error) {
      notify(error.what());
    }
    throw;
  }
  if (reporter_ == nullptr) return static_cast<int>(signal);
  RunSummary summary;
  if (signal != 0) summary.end = RunEnd::interrupted;
  if (saved > 0) summary.checkpoint_path = find_checkpoint(options_.save)->string();
  summary.next = {
      fmt::format("longhaul inspect {}", options_.save),
      fmt::format("longhaul export --checkpoint {} --output DIR --verify true", options_.save)};
  reporter_->closing(std::move(summary));
  return static_cast<int>(signal);
}

}  // namespace longhaul
