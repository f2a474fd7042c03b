// longhaul train: from flags to a finished run. Every start-up phase runs on all ranks together, so
// that a mistake is reported once and ends all of them.
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "app/backend_factory.h"
#include "app/command.h"
#include "app/dataset_flags.h"
#include "app/mpi_command.h"
#include "app/train_flags.h"
#include "checkpoint/publish.h"
#include "checkpoint/reader.h"
#include "data/dataset.h"
#include "hf/tokenizer_files.h"
#include "plan/layout_advice.h"
#include "preflight/preflight.h"
#include "train/run_lock.h"
#include "train/trainer.h"

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
  const nlohmann::ordered_json metadata = nlohmann::ordered_json::parse(reader.metadata());
  return {ModelConfig::parse(metadata.at("model").dump(), step.string()), step, tokenizer};
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
  coordinator.together([&] {
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

int train(int argc, char** argv, const MpiRuntime& mpi, Coordinator& coordinator) {
  TrainOptions options;
  bool help = false;
  std::map<std::string, std::string> flags;
  coordinator.together([&] {
    OptionParser parser = make_train_parser(options);
    if (coordinator.rank() != 0) parser.set_help_stream(nullptr);
    help = !parser.parse(argc, argv);
    if (help) return;
    options.validate();
    flags = parser.values();
  });
  if (help) return kExitSuccess;

  const Log log(coordinator.rank(), coordinator.host());
  preflight::Preflight preflight(mpi.world(), coordinator, options, flags, log);
  preflight.check_hosts();
  ModelDirectory model;
  LayoutAdvice advice;
  std::optional<ProcessGrid> grid;
  std::optional<ParameterTable> table;
  std::optional<RowEncoder> encoder;
  const bool opened = preflight.attempt("model and layout", [&] {
    model = open_model(options.model);
    advice = choose_layout(coordinator.size(), options.tensor_model_parallel_size,
                           options.context_parallel_size, model.config);
    grid.emplace(advice.layout, coordinator.rank());
    table.emplace(model.config, *grid);
    encoder.emplace(RowEncoder::load(model.tokenizer, options.encoding.parse()));
    const std::int64_t needed = encoder->tokenizer().size();
    if (needed > model.config.vocab_size) {
      user_error(
          "{}: the tokenizer has ids up to {}, the model's vocabulary only {} rows; they do "
          "not belong together",
          options.model, needed - 1, model.config.vocab_size);
    }
  });
  if (opened) preflight.check_model(model.weights, model.tokenizer, model.config, *table);
  preflight.require_passed();
  if (!advice.reason.empty()) log.info("{}", advice.reason);
  const std::unique_ptr<Backend> backend = make_backend(options, coordinator, log);
  Communicators comms = make_communicators(*backend, mpi.world(), coordinator, *grid, options, log);
  poll_communication(*backend, comms);
  try {
    preflight.check_devices(*backend, comms, *grid, *table);
    preflight.finish();
  } catch (...) {
    abandon_communication(*backend, comms);
    throw;
  }
  if (options.preflight_only) return kExitSuccess;

  const RunLock lock(options.save, coordinator, log, kRunEndPatience);
  const auto resume = agree_on_path(coordinator, [&] { return resume_point(options); });

  DatasetOptions data;
  coordinator.together([&] { data = options.dataset_options(advice.layout); });
  const Dataset dataset = prepare_dataset(coordinator, data, *encoder, log);
  coordinator.together([&] {
    const fs::path copy = fs::path(options.save) / kTokenizerFolder;
    if (coordinator.rank() == 0) copy_tokenizer_files(model.tokenizer, copy);
  });

  Runtime runtime{*grid,
                  *backend,
                  comms,
                  coordinator,
                  log,
                  backend->create_stream("communication"),
                  backend->create_stream("gather of keys and values"),
                  backend->create_stream("copies")};
  std::unique_ptr<Trainer> trainer;
  try {
    coordinator.together([&] {
      trainer = std::make_unique<Trainer>(runtime, options, model.config, *table, dataset);
    });
    trainer->load(resume);
    coordinator.together([&] {
      if (coordinator.rank() == 0 && resume) continue_branch(*resume, options.save, log);
    });
    RunOverview overview;
    overview.layout = fmt::format("TP {} x CP {} x DP {} on {} ranks", advice.layout.tp,
                                  advice.layout.cp, advice.layout.dp, coordinator.size());
    overview.dataset = fmt::format("{}", fmt::join(options.dataset, ", "));
    overview.rejected_path = (fs::path(options.save) / "rejected.jsonl").string();
    trainer->run(std::move(overview));
    if (coordinator.rank() == 0) save_learned(*backend, log);
  } catch (...) {
    abandon_communication(*backend, comms);
    throw;
  }
  return kExitSuccess;
}

}  // namespace

int run_train(int argc, char** argv) {
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
