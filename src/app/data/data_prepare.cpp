// longhaul data prepare: the token cache and the report of a run, ahead of it.
#include <cstdio>
#include <optional>

#include "app/data/data_actions.h"
#include "app/flags/options.h"
#include "app/flags/preparation_flags.h"
#include "app/mpi_command.h"
#include "core/error.h"
#include "data/dataset/prepare_dataset.h"

namespace longhaul {
namespace {

constexpr const char* kSummary =
    "Tokenizes conversations and writes the token cache and data_report.json that longhaul train\n"
    "with the same --save (or --token_cache_dir) and data flags then finds. Needs no GPU; under\n"
    "mpirun -n N all processes share the work.";

OptionParser make_parser(PreparationFlags& flags) {
  OptionTable table = preparation_table(flags);
  OptionGroup files(table, "Files");
  files.add("save", &flags.save, "DIR",
            "the run's directory; without it the report goes to --token_cache_dir");
  return OptionParser(
      "data prepare --model DIR --dataset FILE... (--save DIR | --token_cache_dir DIR) [flags]",
      kSummary, std::move(table));
}

int prepare(int argc, char** argv, Coordinator& coordinator) {
  PreparationFlags flags;
  bool help = false;
  DatasetOptions data;
  std::optional<RowEncoder> encoder;
  coordinator.run_collectively([&] {
    OptionParser parser = make_parser(flags);
    if (coordinator.rank() != 0) parser.set_help_stream(nullptr);
    help = !parser.parse(argc, argv);
    if (help) return;
    if (flags.save.empty() && flags.token_cache_dir.empty()) {
      user_error("--save or --token_cache_dir is missing: where the token cache goes");
    }
    flags.validate_dataset();
    data = flags.dataset_options(flags.stream_layout());
    if (data.save_dir.empty()) data.save_dir = data.token_cache_dir;
    data.show_table = [](const std::string& table) {
      std::fputs(table.c_str(), stdout);
      std::fflush(stdout);
    };
    encoder.emplace(load_encoder(flags));
  });
  if (help) return kExitSuccess;
  const Log log(coordinator.rank(), coordinator.host());
  prepare_dataset(coordinator, data, *encoder, log);
  log.info("data: the report is in {}", (data.save_dir / "data_report.json").string());
  return kExitSuccess;
}

}  // namespace

int run_data_prepare(int argc, char** argv) {
  if (asks_for_description(argc, argv)) {  // which needs no MPI
    PreparationFlags flags;
    make_parser(flags).parse(argc, argv);
    return kExitSuccess;
  }
  return run_mpi_command("data prepare", [&](const MpiRuntime&, Coordinator& coordinator) {
    return prepare(argc, argv, coordinator);
  });
}

}  // namespace longhaul
