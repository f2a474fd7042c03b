// longhaul inspect: what is in a checkpoint, and is it as it was written?
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "app/command.h"
#include "app/flags/options.h"
#include "app/inspect_json.h"
#include "app/inspect_report.h"
#include "checkpoint/reader.h"
#include "checkpoint/verify.h"
#include "core/error.h"
#include "core/humanize.h"

namespace longhaul {
namespace {

struct InspectOptions {
  std::string checkpoint;
  std::string tensor;
  std::string slice;
  bool verify = false;
  bool norms = true;
  bool optimizer = false;
  bool json = false;
};

/// One line on a terminal that is rewritten as the work goes on; nothing anywhere else.
class ProgressLine {
 public:
  void show(std::int64_t done, std::int64_t total) {
    const std::int64_t percent = total > 0 ? 100 * done / total : 100;
    if (!terminal_ || percent == shown_) return;
    shown_ = percent;
    fmt::print(stderr, "\rverifying {:>3} % of {}", percent, human_bytes(total));
    std::fflush(stderr);
  }
  void clear() const {
    if (terminal_ && shown_ >= 0) fmt::print(stderr, "\r\033[K");
  }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::int64_t shown_ = -1;
};

VerifyReport verify(const std::filesystem::path& step) {
  ProgressLine line;
  VerifyReport report = verify_checkpoint(
      step, [&](std::int64_t done, std::int64_t total) { line.show(done, total); });
  line.clear();
  return report;
}

std::string verdict(const VerifyReport& report) {
  return fmt::format("{}, {}, {}: all checksums match", counted(report.shards, "shard"),
                     counted(report.slabs, "slab"), human_bytes(report.bytes));
}

int report_damage(const std::filesystem::path& step, const VerifyReport& report, bool json) {
  if (json) fmt::print("{}\n", damage_json(step, report));
  for (const std::string& damage : report.damages) {
    fmt::print(stderr, "longhaul inspect: damaged: {}\n", damage);
  }
  fmt::print(stderr, "longhaul inspect: {}: {} found; {}\n", step.string(),
             counted(std::ssize(report.damages), "damage"),
             "restore the files from a copy or use another checkpoint");
  return kExitFailure;
}

OptionTable inspect_table(InspectOptions& options) {
  OptionTable table;
  OptionGroup group(table, "Inspect");
  group.add("checkpoint", &options.checkpoint, "DIR",
            "the checkpoint; also without the flag's name");
  group.add("verify", &options.verify,
            "read everything and compare it with its checksums; exit code 1 when anything is "
            "damaged");
  group.add("norms", &options.norms, "read the tensors and show their L2 norms");
  group.add("optimizer", &options.optimizer, "list the optimizer's tensors too");
  group.add("tensor", &options.tensor, "NAME",
            "print numbers of one tensor, named as in Hugging Face's files or by its path in "
            "index.h5");
  group.add("slice", &options.slice, "ROWS,COLUMNS",
            "which numbers, as in Python: \"0:4,0:8\" (the default is the first 8 x 8)");
  group.add("json", &options.json, "print one JSON object instead");
  return table;
}

}  // namespace

int run_inspect(int argc, char** argv) {
  InspectOptions options;
  OptionParser parser("inspect CHECKPOINT [flags]",
                      "Shows what is in a checkpoint: a save directory (its newest one) or one "
                      "step_... folder of it.",
                      inspect_table(options));
  parser.positional("checkpoint");
  if (!parser.parse(argc, argv)) return kExitSuccess;
  if (options.checkpoint.empty()) {
    user_error("which checkpoint? Give a save directory or one of its step_... folders");
  }
  if (!options.slice.empty() && options.tensor.empty()) {
    user_error("--slice {} needs --tensor NAME, the tensor to print it of", options.slice);
  }

  std::string note;
  const std::filesystem::path step = require_checkpoint(options.checkpoint, &note);
  if (!note.empty()) fmt::print(stderr, "longhaul inspect: note: {}\n", note);
  std::string verified;
  if (options.verify) {
    const VerifyReport report = verify(step);
    if (!report.damages.empty()) return report_damage(step, report, options.json);
    verified = verdict(report);
  }

  const CheckpointReader reader(step);
  if (!options.tensor.empty()) {
    const TensorNumbers numbers = read_numbers(reader, options.tensor, options.slice);
    fmt::print("{}", options.json ? numbers_json(numbers) + "\n" : numbers_text(numbers));
    if (!verified.empty() && !options.json) fmt::print("\n{}\n", verified);
    return kExitSuccess;
  }
  InspectReport report =
      make_report(reader, options.optimizer ? Listing::everything : Listing::weights,
                  options.norms ? Norms::compute : Norms::skip);
  report.verified = verified;
  fmt::print("{}", options.json ? report_json(report) + "\n" : report_text(report));
  return kExitSuccess;
}

}  // namespace longhaul
