#pragma once

#include <cstdint>
#include <string>

#include "bench/lengths.h"
#include "bench/report.h"
#include "comm/coordinator.h"
#include "comm/mpi_runtime.h"
#include "compute/backend.h"
#include "core/log.h"
#include "core/options/option_table.h"
#include "model/model_config.h"
#include "train/train_options.h"

namespace longhaul {

/// One benchmark's command line: its own flags, those of the backend, and where the numbers go.
class BenchFlags {
 public:
  enum class Device : std::uint8_t { backend, none };  // none: no flags of a backend

  /// usage: the part after "longhaul bench ", "kernels --config DIR [flags]".
  BenchFlags(const std::string& usage, const std::string& summary, Device device = Device::backend);

  /// Adds flags under a heading. Their values are among the arguments in the JSON file.
  OptionGroup group(const char* heading) { return {arguments_, heading}; }

  /// Adds the flags that all have, and parses, on all ranks together. False when --help was asked
  /// for.
  bool parse(int argc, char** argv, Coordinator& coordinator);

  /// The flags of the backend; the rest holds defaults.
  [[nodiscard]] const TrainOptions& backend() const { return backend_; }

  /// The head of the report: device and arguments.
  void begin(bench::Report& report, const Backend& backend) const;
  void begin(bench::Report& report, std::string device) const;
  /// Writes the JSON file, where one is wanted, on rank 0.
  void end(const bench::Report& report, Coordinator& coordinator) const;

 private:
  std::string usage_;
  std::string summary_;
  Device device_;
  OptionTable arguments_;  // all flags but --json
  TrainOptions backend_;
  std::string json_;
};

// Flags that several benchmarks have.

/// --seconds of a row of the table.
void add_bench_seconds(OptionGroup& group, double* seconds);
/// The documents of a stream; the texts say of what.
void add_bench_lengths(OptionGroup& group, bench::LengthFlags* lengths, const char* tokens_text,
                       const char* lengths_text);
/// --config, whose model load_bench_config() reads.
void add_bench_config(OptionGroup& group, std::string* config);
/// A model's config.json: the file, or a directory that holds one. Throws UserError naming
/// --config.
ModelConfig load_bench_config(const std::string& path);

/// What a benchmark runs with.
struct BenchRun {
  int argc;
  char** argv;  // argv[0] is the benchmark's name
  MPI_Comm world;
  Coordinator& coordinator;
  Log log;

  /// Rank 0 prints.
  [[nodiscard]] std::FILE* out() const { return coordinator.rank() == 0 ? stdout : nullptr; }
};

// The benchmarks; they return the exit code.
int run_bench_kernels(BenchRun& run);
int run_bench_gemm(BenchRun& run);
int run_bench_attention(BenchRun& run);
int run_bench_collectives(BenchRun& run);
int run_bench_step(BenchRun& run);
int run_bench_tokenizer(BenchRun& run);

}  // namespace longhaul
