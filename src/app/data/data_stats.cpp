// longhaul data stats: the account of every row of some files, without a cache.
#include <cstdio>
#include <iostream>

#include "app/data/data_actions.h"
#include "app/flags/options.h"
#include "app/flags/preparation_flags.h"
#include "core/error.h"
#include "data/dataset/streamed_report.h"
#include "metrics/console_style.h"

namespace longhaul {
namespace {

constexpr const char* kSummary =
    "Tokenizes conversations and says what a training run with these flags would make of them:\n"
    "rows, tokens, lengths, packs, steps. Keeps nothing.";

}  // namespace

int run_data_stats(int argc, char** argv) {
  PreparationFlags flags;
  bool json = false;
  OptionTable table = preparation_table(flags);
  OptionGroup(table, "Output")
      .bare("json", &json, "print what data_report.json holds instead of a table");
  OptionParser parser("data stats --model DIR FILE... [flags]", kSummary, std::move(table));
  parser.positional("dataset", -1);
  if (!parser.parse(argc, argv)) return kExitSuccess;
  flags.validate_dataset();
  const DatasetOptions data = flags.dataset_options(flags.stream_layout());
  const RowEncoder encoder = load_encoder(flags);
  const auto alone = make_solo_coordinator();
  const Log log(0, alone->host());
  const DataReport report = stream_data_report(*alone, data, make_sample_encoder(encoder), log);
  const std::string text = json ? data_report_json(report, "")
                                : data_report_table(report, detect_console_style(stdout).charset);
  std::cout << text << std::flush;
  if (!std::cout) user_error("standard output: writing failed; is the disk full?");
  return kExitSuccess;
}

}  // namespace longhaul
