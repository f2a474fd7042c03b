#include "preflight/preflight.h"

#include <algorithm>
#include <cstdio>
#include <system_error>

#include "checkpoint/reader.h"
#include "checkpoint/save_directory.h"
#include "comm/mpi_communicator.h"
#include "comm/named_groups.h"
#include "core/file.h"
#include "core/proc.h"
#include "data/files/data_file.h"
#include "data/files/data_source.h"
#include "metrics/console_style.h"
#include "preflight/clock_check.h"
#include "preflight/configuration_check.h"
#include "preflight/disk_check.h"
#include "preflight/file_check.h"
#include "preflight/gpu_check.h"
#include "preflight/group_check.h"
#include "preflight/host_check.h"
#include "preflight/memory_check.h"
#include "preflight/program_check.h"
#include "preflight/report.h"
#include "preflight/shared_memory_check.h"

namespace longhaul::preflight {
namespace fs = std::filesystem;
namespace {

// How long a network file system may take to show what another host has written.
constexpr std::chrono::seconds kPatience{5};

Mode mode_of(const std::string& text) {
  if (text == "off") return Mode::off;
  return text == "quick" ? Mode::quick : Mode::full;  // validate() refuses anything else
}

/// Columns of a table on `out`: those of the terminal; in a file lines stay whole, for grep.
std::size_t table_width(std::FILE* out) {
  const ConsoleStyle style = detect_console_style(out);
  return style.mode == ConsoleMode::live ? static_cast<std::size_t>(style.width) : kNoWrapping;
}

/// If any rank wants checks, all take part: else a difference in this very flag would be a hang.
Mode agree(Coordinator& coordinator, Mode mine) {
  return static_cast<Mode>(coordinator.max(static_cast<std::int64_t>(mine)));
}

}  // namespace

Preflight::Preflight(MPI_Comm world, Coordinator& coordinator, const TrainOptions& options,
                     const std::map<std::string, std::string>& flags, const Log& log)
    : world_(world),
      coordinator_(coordinator),
      options_(options),
      flags_(flags),
      log_(log),
      mode_(agree(coordinator, mode_of(options.preflight))),
      checks_(coordinator) {}

void Preflight::check_hosts() {
  if (off()) return;
  checks_.run<HostFact>("hosts", look_at_host, judge_hosts);
  checks_.run<ProgramFact>("program", look_at_program, judge_programs);
  checks_.run<Settings>(
      "flags", [&] { return comparable_flags(flags_); },
      [](const auto& all) {
        return judge_settings(all,
                              "start every rank with the same flags and the same files for "
                              "--config");
      });
  checks_.run<ClockOffset>(
      "clocks",
      [&] {
        std::vector<int> everyone(static_cast<std::size_t>(coordinator_.size()));
        for (std::size_t i = 0; i < everyone.size(); ++i) everyone[i] = static_cast<int>(i);
        MpiCommunicator world(world_, everyone);
        return compare_clocks(coordinator_, world);
      },
      judge_clocks);
  GpusFact gpus;
  checks_.run<GpusFact>(
      "GPUs", [&] { return gpus = look_at_gpus(); },
      [&](const auto& all) { return judge_gpus(all, options_.backend, options_.ranks_per_gpu); });
  computes_on_gpus_ =
      options_.backend != "cpu" && gpus.built_with_cuda && gpus.cuda_problem.empty();
  checks_.run<SharedMemoryFact>(
      "shared memory",
      [&] { return look_at_shared_memory(coordinator_.local_size(), computes_on_gpus_); },
      judge_shared_memory);
  check_data_files();
  check_directory("save directory", "--save", options_.save);
  if (!options_.token_cache_dir.empty()) {
    check_directory("token cache", "--token_cache_dir", options_.token_cache_dir);
  }
}

void Preflight::check_data_files() {
  checks_.run<FileFacts>(
      "data files",
      [&] {
        std::vector<std::string> files = options_.dataset;
        if (!options_.val_dataset.empty()) files.push_back(options_.val_dataset);
        FileFacts facts;
        for (const std::string& file : files) {
          facts.push_back(look_at_file(parse_data_source(file).path,
                                       [](const fs::path& path) { (void)find_data_file(path); }));
        }
        return facts;
      },
      [](const auto& all) { return judge_files(all, "data file", Times::compared); });
}

void Preflight::check_directory(const char* name, const char* flag, const fs::path& directory) {
  probes_.push_back(std::make_unique<DirectoryProbe>(coordinator_, directory, kPatience));
  std::vector<DirectoryFact> facts;
  checks_.run<DirectoryFact>(
      name,
      [&] {
        facts = probes_.back()->look();
        return facts[static_cast<std::size_t>(coordinator_.rank())];
      },
      [&](std::vector<Seen<DirectoryFact>> all) {
        // What rank 0 sees of the others came to it alone.
        for (auto& one : all) one.fact = facts[static_cast<std::size_t>(one.rank)];
        return judge_directory(all, fmt::format("{} {}", flag, directory.string()));
      });
}

bool Preflight::attempt(const char* name, const std::function<void()>& work) {
  if (!off()) return checks_.attempt(name, work);
  coordinator_.run_collectively(work);
  return true;
}

void Preflight::check_model(const fs::path& weights, const fs::path& tokenizer,
                            const ModelConfig& config, const ParameterTable& table) {
  if (off()) return;
  checks_.run<FileFacts>(
      "model files",
      [&] {
        FileFacts facts;
        for (const fs::path& file : model_files(weights, tokenizer)) {
          facts.push_back(look_at_file(file));
        }
        return facts;
      },
      [](const auto& all) { return judge_files(all, "model file", Times::ignored); });
  check_resumed_files();
  checks_.run<Settings>(
      "model", [&] { return comparable_model_config(config.json); },
      [&](const auto& all) {
        Verdict verdict = judge_settings(all, "copy the same model to every host");
        verdict.summary = describe(config);
        return verdict;
      });
  check_disk(table);
}

void Preflight::check_resumed_files() {
  if (options_.resume == "auto" || options_.resume == "none") return;
  checks_.run<FileFacts>(
      "resumed files",
      [&] {
        FileFacts facts;
        // When there is none on any rank, resuming itself will say so.
        const auto step = find_checkpoint(options_.resume);
        if (!step) return facts;
        for (const fs::path& file : model_files(*step, *step)) facts.push_back(look_at_file(file));
        return facts;
      },
      [](const auto& all) { return judge_files(all, "checkpoint file", Times::ignored); });
}

void Preflight::check_disk(const ParameterTable& table) {
  const DType weights = computes_on_gpus_ ? DType::bf16 : DType::f32;
  CheckpointPlan plan;
  plan.bytes_each = checkpoint_bytes(table.tensors(), weights);
  plan.limit = options_.save_total_limit;
  checks_.run<DiskFact>(
      "disk",
      [&] {
        std::error_code none;
        return DiskFact{fs::is_directory(options_.save, none) ? free_bytes(options_.save) : -1};
      },
      [&](const auto& all) {
        const std::vector<CompleteStep> steps = complete_steps(options_.save);
        plan.existing = static_cast<int>(steps.size());
        if (!steps.empty()) plan.newest = steps.front().path.filename().string();
        if (options_.train_iters) {
          const std::int64_t done = step_to_resume(options_.resume, steps);
          const std::int64_t interval = options_.save_interval;
          plan.coming = checkpoints_to_come(*options_.train_iters, interval, done);
          plan.next_step = std::min((done / interval + 1) * interval, *options_.train_iters);
        }
        return judge_disk(all, plan, options_.save);
      });
}

void Preflight::require_passed() {
  if (off() || !checks_.failed()) return;
  std::string text;
  if (coordinator_.rank() == 0) {
    text = failure_text(checks_.findings(), table_width(stderr));
  }
  throw CollectiveError(coordinator_.broadcast(std::move(text), 0), coordinator_.rank() == 0,
                        kExitUserError);
}

void Preflight::check_devices(Backend& backend, const Communicators& comms, const ProcessGrid& grid,
                              const ParameterTable& table) {
  if (off()) return;
  checks_.run<MemoryFact>(
      "memory",
      [&] {
        MemoryFact fact;
        fact.needed = model_state_bytes(table, backend.compute_dtype());
        fact.host_needed = snapshot_bytes(table, backend.compute_dtype());
        fact.is_host = backend.memory_is_host();
        fact.free = static_cast<std::int64_t>(backend.memory_free());
        fact.host_free = static_cast<std::int64_t>(available_host_memory());
        fact.local_ranks = coordinator_.local_size();
        fact.ranks_per_device = options_.ranks_per_gpu;
        return fact;
      },
      judge_memory);
  if (mode_ != Mode::full) return;
  require_passed();
  checks_.run<GroupSpeeds>(
      "all-reduce",
      [&] { return measure_groups(backend, coordinator_, named_groups(comms, grid)); },
      [&](const auto& all) { return judge_groups(all, slow_group_factor(backend)); });
}

void Preflight::finish() {
  if (off()) return;
  require_passed();
  if (!options_.preflight_only) {
    for (const auto& probe : probes_) probe->keep_folders();
  }
  if (coordinator_.rank() != 0) return;
  const std::vector<Finding> findings = checks_.findings();
  if (options_.preflight_only) {
    fmt::print("{}", check_lines(checks_.results()));
    if (!findings.empty()) fmt::print("\n{}", finding_table(findings, table_width(stdout)));
    std::fflush(stdout);
    return;
  }
  log_.info("{}", summary_line(checks_.results()));
  if (findings.empty()) return;
  log_.warning("pre-flight:\n{}", finding_table(findings, table_width(stderr)));
}

}  // namespace longhaul::preflight
