#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "app/flags/flag_group.h"
#include "app/flags/train_flags.h"
#include "bench/report.h"
#include "comm/coordinator.h"
#include "comm/mpi_runtime.h"
#include "compute/backend.h"
#include "core/log.h"
#include "model/model_config.h"

namespace longhaul {

/// One benchmark's command line: its own flags, those of the backend, and where the numbers go.
class BenchFlags {
 public:
  enum class Device : std::uint8_t { backend, none };  // none: no flags of a backend

  /// usage: the part after "longhaul bench ", "kernels --config DIR [flags]".
  BenchFlags(const std::string& usage, const std::string& summary, Device device = Device::backend);

  /// A flag whose default is what the variable holds (an empty text: none). Its value is among the
  /// arguments in the JSON file.
  template <typename T>
  void add(const char* heading, const char* name, T* variable, const char* kind, const char* text) {
    FlagGroup group(parser_, heading);
    bool no_default = false;
    if constexpr (std::is_same_v<T, std::string>) no_default = variable->empty();
    if (no_default) {
      group.plain(name, variable, kind, text);
    } else {
      group.value(name, variable, kind, text);
    }
    record(name, variable);
  }

  /// Adds the flags that all have, and parses, on all ranks together. False when --help was asked
  /// for.
  bool parse(int argc, char** argv, Coordinator& coordinator);

  [[nodiscard]] bool given(const std::string& name) const { return parser_.given(name); }
  /// The flags of the backend; the rest holds defaults.
  [[nodiscard]] const TrainOptions& backend() const { return backend_; }

  /// The head of the report: device and arguments.
  void begin(bench::Report& report, const Backend& backend) const;
  void begin(bench::Report& report, std::string device) const;
  /// Writes the JSON file, where one is wanted, on rank 0.
  void end(const bench::Report& report, Coordinator& coordinator) const;

 private:
  template <typename T>
  void record(const char* name, const T* variable) {
    arguments_.emplace_back(name, [variable]() -> bench::Value {
      if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>) {
        return *variable;
      } else if constexpr (std::is_integral_v<T>) {
        return static_cast<std::int64_t>(*variable);
      } else {
        return static_cast<double>(*variable);
      }
    });
  }

  void add_backend();

  OptionParser parser_;
  Device device_;
  TrainOptions backend_;
  std::string json_;
  std::vector<std::pair<std::string, std::function<bench::Value()>>> arguments_;
};

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
