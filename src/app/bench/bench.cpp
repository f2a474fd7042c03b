// longhaul bench: how fast the parts of a training step and whole steps are, on this machine.
#include <fmt/core.h>

#include <array>
#include <string_view>

#include "app/command.h"
#include "app/commands.h"
#include "app/flags/bench_flags.h"
#include "app/flags/options.h"
#include "app/mpi_command.h"
#include "core/error.h"

namespace longhaul {
namespace {

struct Benchmark {
  std::string_view name;
  std::string_view summary;
  int (*run)(BenchRun&);
};

constexpr std::array kBenchmarks{
    Benchmark{"kernels", "ops that memory bandwidth bounds: GB/s", run_bench_kernels},
    Benchmark{"gemm", "matrix products of a model's layers: TFLOP/s", run_bench_gemm},
    Benchmark{"attention", "attention over packed documents: TFLOP/s", run_bench_attention},
    Benchmark{"collectives", "exchange between ranks: GB/s (under mpirun)", run_bench_collectives},
    Benchmark{"step", "whole optimizer steps: tokens/s, memory", run_bench_step},
    Benchmark{"tokenizer", "rows to tokens on one thread: MB/s, tokens/s", run_bench_tokenizer},
};

void print_benchmarks() {
  fmt::print("Usage: longhaul bench BENCHMARK [flags]\n\nBenchmarks:\n");
  for (const Benchmark& benchmark : kBenchmarks) {
    fmt::print("  {:<12} {}\n", benchmark.name, benchmark.summary);
  }
  fmt::print(
      "\n'longhaul bench BENCHMARK --help' lists a benchmark's flags. Each prints a table and, "
      "with\n"
      "--json FILE, writes all its numbers; docs/performance.md defines them.\n");
}

}  // namespace

std::vector<std::string_view> benchmark_names() {
  std::vector<std::string_view> names;
  for (const Benchmark& benchmark : kBenchmarks) names.push_back(benchmark.name);
  return names;
}

int run_bench(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h" || name == "help") {
    print_benchmarks();
    return kExitSuccess;
  }
  for (const Benchmark& benchmark : kBenchmarks) {
    if (benchmark.name != name) continue;
    if (asks_for_description(argc - 1, argv + 1)) {  // which needs no MPI
      const std::unique_ptr<Coordinator> alone = make_solo_coordinator();
      BenchRun run{argc - 1, argv + 1, MPI_COMM_WORLD, *alone, Log(0, alone->host())};
      return benchmark.run(run);
    }
    return run_mpi_command("bench", [&](const MpiRuntime& mpi, Coordinator& coordinator) {
      BenchRun run{argc - 1, argv + 1, mpi.world(), coordinator,
                   Log(coordinator.rank(), coordinator.host())};
      return benchmark.run(run);
    });
  }
  user_error(
      "{}; choose kernels, gemm, attention, collectives, step or tokenizer ('longhaul bench "
      "--help')",
      name.empty() ? std::string("which benchmark?") : fmt::format("unknown benchmark '{}'", name));
}

}  // namespace longhaul
