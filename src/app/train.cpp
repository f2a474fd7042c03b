// longhaul train: from flags to a finished run. Every start-up phase runs on all ranks together, so
// that a mistake is reported once and ends all of them.
#include <chrono>
#include <filesystem>
#include <limits>
#include <map>

#include "app/backend_factory.h"
#include "app/command.h"
#include "app/failure_report.h"
#include "app/flags/tokenizer_folder.h"
#include "app/flags/train_parser.h"
#include "app/mpi_command.h"
#include "checkpoint/publish.h"
#include "checkpoint/reader.h"
#include "core/json.h"
#include "core/stop_signals.h"
#include "data/dataset/prepare_dataset.h"
#include "hf/tokenizer_files.h"
#include "plan/layout_advice.h"
#include "preflight/preflight.h"
#include "train/run_lock.h"
#include "train/trainer.h"
#include "watchdog/fatal_signals.h"
#include "watchdog/watchdog.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;

// After a kill mpirun takes a few seconds to end the other ranks.
constexpr std::chrono::seconds kRunEndPatience{20};

/// The model's configuration, and where its files are.
struct ModelDirectory {
  ModelConfig config;
  fs::path weights;  // a Hugging Face directory, or a checkpoint's step_... folder
  fs::path tokenizer;
};

ModelDirectory open_model(const std::string& path) {
  const fs::path tokenizer = tokenizer_folder(path);
  if (!is_checkpoint(path)) return {ModelConfig::load(path), path, tokenizer};
  const fs::path step = *find_checkpoint(path);
  const CheckpointReader reader(step);
  const nlohmann::ordered_json metadata = parse_json<nlohmann::ordered_json>(reader.metadata());
  return {ModelConfig::parse(dump_json(metadata.at("model")), step.string()), step, tokenizer};
}

/// The checkpoint to continue from, if any.
std::optional<fs::path> resume_point(const TrainOptions& options) {
  const bool exists = fs::exists(options.save);
  const auto newest = exists ? find_checkpoint(options.save) : std::nullopt;
  if (options.resume == "auto") return newest;
  if (options.resume == "none") {
    if (newest) {
      user_error(
          "--resume none, but {} holds the checkpoint {}; choose another --save directory or "
          "remove "
          "this one",
          options.save, newest->filename().string());
    }
    return std::nullopt;
  }
  if (!fs::exists(options.resume)) user_error("--resume {}: no such checkpoint", options.resume);
  const auto found = find_checkpoint(options.resume);
  if (!found) user_error("--resume {}: holds no complete checkpoint", options.resume);
  return found;
}

/// The same path on all ranks, found by rank 0.
std::optional<fs::path> agree_on_path(Coordinator& coordinator,
                                      const std::function<std::optional<fs::path>()>& find) {
  std::string text;
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0) text = find().value_or(fs::path{}).string();
  });
  text = coordinator.broadcast(std::move(text), 0);
  return text.empty() ? std::nullopt : std::optional<fs::path>(text);
}

/// When the run goes on from an older checkpoint of its own save directory, that one becomes the
/// newest: else a restart before the next checkpoint would go back to what the user has left.
void continue_branch(const fs::path& resume, const fs::path& save, const Log& log) {
  const auto newest = find_checkpoint(save);
  std::error_code none;
  if (!newest || fs::equivalent(resume, *newest, none)) return;
  if (!fs::equivalent(fs::absolute(resume).parent_path(), save, none)) return;
  make_newest(resume);
  log.info(
      "{} is the newest checkpoint from now on; {} stays until it is written again or tidied "
      "away",
      resume.filename().string(), newest->filename().string());
}

/// Says how to go on. Other ranks stay until it is said: once one has left, mpirun ends the rest.
int leave_stopped(Coordinator& coordinator, const Trainer& trainer, const TrainOptions& options,
                  int signal) {
  StopSignals::ignore();
  if (coordinator.rank() == 0) {
    fmt::print(stderr,
               "longhaul train: stopped by {} after step {} of {}; its checkpoint in {} is "
               "complete: start the same command again to continue (exit code {})\n",
               signal_name(signal), trainer.step(), trainer.total_steps(), options.save,
               kExitStopped);
  }
  coordinator.barrier();
  return kExitStopped;
}

/// What start-up has settled before the save directory belongs to this run.
struct Setup {
  TrainOptions options;
  ModelDirectory model;
  LayoutAdvice advice;
  std::optional<ProcessGrid> grid;
  std::optional<ParameterTable> table;
  std::optional<RowEncoder> encoder;
};

HangLimits hang_limits(const TrainOptions& options) {
  HangLimits limits;
  limits.comm = options.comm_timeout;
  limits.startup = options.startup_timeout > 0 ? options.startup_timeout
                                               : std::numeric_limits<double>::infinity();
  return limits;
}

/// What computes, and the groups that it exchanges tensors with.
struct Engine {
  Backend backend;
  Communicators comms;
};

Engine start_engine(const Setup& setup, const MpiRuntime& mpi, Coordinator& coordinator,
                    const Log& log) {
  ProgressRecord& progress = coordinator.progress();
  const PhaseScope phase(progress, "backend", Pace::work);
  Engine engine;
  engine.backend = make_backend(setup.options, coordinator, log);
  progress.enter_phase("connect");
  engine.comms = make_communicators(*engine.backend.device, mpi.world(), coordinator, *setup.grid,
                                    setup.options, log);
  return engine;
}

/// From a save directory that is this run's to the last step. `stage` tells how far it came.
int train_locked(Setup& setup, Coordinator& coordinator, Engine& engine, const Log& log,
                 RunStage& stage) {
  const TrainOptions& options = setup.options;
  const ParallelLayout& layout = setup.advice.layout;
  Backend& backend = engine.backend;
  ProgressRecord& progress = coordinator.progress();
  // What follows takes as long as the data and the model are large.
  const PhaseScope phase(progress, "prepare", Pace::work);
  const auto resume = agree_on_path(coordinator, [&] { return resume_point(options); });
  DatasetOptions data;
  coordinator.run_collectively([&] { data = options.dataset_options(layout); });
  const Dataset dataset = prepare_dataset(coordinator, data, *setup.encoder, log);
  coordinator.run_collectively([&] {
    const fs::path copy = fs::path(options.save) / kTokenizerFolder;
    if (coordinator.rank() == 0) copy_tokenizer_files(setup.model.tokenizer, copy);
  });

  Runtime runtime(*setup.grid, backend, engine.comms, coordinator, log);
  progress.enter_phase("plan");
  std::unique_ptr<Trainer> trainer;
  coordinator.run_collectively([&] {
    trainer =
        std::make_unique<Trainer>(runtime, options, setup.model.config, *setup.table, dataset);
  });
  progress.enter_phase("load");
  trainer->load(resume);
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0 && resume) continue_branch(*resume, options.save, log);
  });
  RunOverview overview;
  overview.layout = fmt::format("TP {} x CP {} x DP {} on {} ranks", layout.tp, layout.cp,
                                layout.dp, coordinator.size());
  overview.dataset = fmt::format("{}", fmt::join(options.dataset, ", "));
  overview.rejected_path = (fs::path(options.save) / "rejected.jsonl").string();
  stage = RunStage::training;
  coordinator.stop_at_agreement({}, "");  // from here on steps are finished
  const int signal = trainer->run(std::move(overview), StopSignals::received);
  if (coordinator.rank() == 0) save_learned(*backend.ops, log);
  if (signal != 0) return leave_stopped(coordinator, *trainer, options, signal);
  return kExitSuccess;
}

/// Takes the save directory, and trains; a failure is put on record there. `failure_file` has to
/// outlive the watchdog.
int train_in_directory(Setup& setup, Coordinator& coordinator, Engine& engine,
                       std::optional<FailureFile>& failure_file, Watchdog& watchdog,
                       const Log& log) {
  const RunLock lock(setup.options.save, coordinator, log, kRunEndPatience);
  failure_file.emplace(setup.options.save, coordinator.rank(), coordinator.host());
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0) failure_file->set_former_aside();
  });
  watchdog.set_failure_file(&*failure_file);
  const FatalSignals fatal_signals(*failure_file, coordinator.progress(), "train");
  RunStage stage = RunStage::start_up;
  try {
    return train_locked(setup, coordinator, engine, log, stage);
  } catch (const std::exception& error) {
    if (record_failure(*failure_file, coordinator, error, stage)) throw;
    throw SilentError(error.what());
  }
}

int train(int argc, char** argv, const MpiRuntime& mpi, Coordinator& coordinator) {
  coordinator.stop_at_agreement(
      StopSignals::received,
      fmt::format("before the first step; nothing is half done: start the same command again "
                  "(exit code {})",
                  kExitStopped));
  Setup setup;
  TrainOptions& options = setup.options;
  bool help = false;
  std::map<std::string, std::string> flags;
  coordinator.run_collectively([&] {
    OptionParser parser = make_train_parser(options);
    if (coordinator.rank() != 0) parser.set_help_stream(nullptr);
    help = !parser.parse(argc, argv);
    if (help) return;
    options.validate();
    flags = parser.values();
  });
  if (help) return kExitSuccess;

  const Log log(coordinator.rank(), coordinator.host());
  std::optional<FailureFile> failure_file;  // once the save directory is this run's
  Watchdog watchdog(coordinator, hang_limits(options), "train", log);
  preflight::Preflight preflight(mpi.world(), coordinator, options, flags, log);
  std::optional<PhaseScope> checking(std::in_place, coordinator.progress(), "preflight",
                                     Pace::work);
  preflight.check_hosts();
  const bool opened = preflight.attempt("model and layout", [&] {
    setup.model = open_model(options.model);
    const ModelConfig& config = setup.model.config;
    setup.advice = choose_layout(coordinator.size(), options.tensor_model_parallel_size,
                                 options.context_parallel_size, config);
    setup.grid.emplace(setup.advice.layout, coordinator.rank());
    setup.table.emplace(config, *setup.grid);
    setup.encoder.emplace(RowEncoder::load(setup.model.tokenizer, options.encoding.parse()));
    const std::int64_t needed = setup.encoder->tokenizer().size();
    if (needed > config.vocab_size) {
      user_error(
          "{}: the tokenizer has ids up to {}, the model's vocabulary only {} rows; they do "
          "not belong together",
          options.model, needed - 1, config.vocab_size);
    }
  });
  if (opened) {
    preflight.check_model(setup.model.weights, setup.model.tokenizer, setup.model.config,
                          *setup.table);
  }
  preflight.require_passed();
  checking.reset();
  watchdog.set_layout(setup.advice.layout);
  if (!setup.advice.reason.empty()) log.info("{}", setup.advice.reason);
  Engine engine = start_engine(setup, mpi, coordinator, log);
  poll_communication(*engine.backend.device, engine.comms, coordinator.progress());
  try {
    checking.emplace(coordinator.progress(), "preflight", Pace::work);
    preflight.check_devices(engine.backend, engine.comms, *setup.grid, *setup.table);
    preflight.finish();
    checking.reset();
    if (options.preflight_only) return kExitSuccess;
    return train_in_directory(setup, coordinator, engine, failure_file, watchdog, log);
  } catch (...) {
    engine.comms.abort();
    throw;
  }
}

}  // namespace

int run_train(int argc, char** argv) {
  const StopSignals signals;
  if (asks_for_description(argc, argv)) {  // which needs no MPI
    TrainOptions options;
    make_train_parser(options).parse(argc, argv);
    return kExitSuccess;
  }
  return run_mpi_command("train", [&](const MpiRuntime& mpi, Coordinator& coordinator) {
    return train(argc, argv, mpi, coordinator);
  });
}

}  // namespace longhaul
