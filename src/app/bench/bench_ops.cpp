// longhaul bench kernels, gemm, attention: single ops on one device.
#include <algorithm>
#include <cmath>

#include "app/backend_factory.h"
#include "app/flags/bench_flags.h"
#include "bench/attention.h"
#include "bench/gemm.h"
#include "bench/kernels.h"
#include "bench/lengths.h"
#include "core/error.h"
#include "hf/byte_size.h"

namespace longhaul {
namespace {

constexpr const char* kShapes = "Shapes";
constexpr const char* kMeasuring = "Measuring";
constexpr std::int64_t kMostTokens = std::int64_t{1} << 24;

void add_only(BenchFlags& flags, std::string* only, const char* what) {
  flags.add(kMeasuring, "only", only, "TEXT", what);
}

void add_seconds(BenchFlags& flags, double* seconds) {
  flags.add(kMeasuring, "seconds", seconds, "X", "time for each row, about");
}

void check_seconds(double seconds) {
  if (!(seconds > 0)) user_error("--seconds {}: must be above 0", seconds);
}

void check_tokens(std::int64_t tokens) {
  if (tokens < 1 || tokens > kMostTokens) {
    user_error("--tokens {}: must be between 1 and {}", tokens, kMostTokens);
  }
}

void check_one_rank(Coordinator& coordinator, const char* name) {
  coordinator.run_collectively([&] {
    if (coordinator.size() == 1) return;
    user_error("bench {} measures one device; start it without mpirun, or with one rank", name);
  });
}

/// The sizes of a rank of a tensor-parallel group that need not be there.
LocalSizes sizes_of_rank(const ModelConfig& config, int tp) {
  if (tp < 1) user_error("--tensor_model_parallel_size {}: must be at least 1", tp);
  const ProcessGrid grid(ParallelLayout{tp, 1, 1}, 0);
  return LocalSizes(config, grid, ParameterTable(config, grid));
}

/// The flags of a benchmark on a model's shapes.
struct ModelFlags {
  std::string config;
  int tp = 1;
  std::int64_t tokens = 16384;

  void add(BenchFlags& flags) {
    flags.add(kShapes, "config", &config, "FILE|DIR",
              "the config.json of a Qwen2 or Qwen3 model, or a directory that holds one");
    flags.add(kShapes, "tensor_model_parallel_size", &tp, "N",
              "shapes of one rank of so many that share each weight matrix");
    flags.add(kShapes, "tokens", &tokens, "N", "tokens of one rank");
  }
};

/// From parsed flags to the finished report.
template <typename Measure>
int run_on_one_device(BenchRun& run, const BenchFlags& flags, const char* name, Measure measure) {
  Backend backend = make_backend(flags.backend(), run.coordinator, run.log);
  bench::Report report(name, run.out());
  flags.begin(report, backend);
  measure(backend, report);
  flags.end(report, run.coordinator);
  save_learned(*backend.ops, run.log);
  return kExitSuccess;
}

}  // namespace

int run_bench_kernels(BenchRun& run) {
  bench::KernelOptions options;
  ModelFlags model;
  std::string copy_size = "1GiB";
  BenchFlags flags("kernels --config DIR [flags]",
                   "Times every op that memory bandwidth bounds, on the shapes that a rank trains "
                   "with: microseconds, GB/s (each input read once, each output written once) and "
                   "the share of what copying on the device reaches.");
  model.add(flags);
  flags.add(kMeasuring, "copy_size", &copy_size, "SIZE",
            "bytes of the copy that others are held "
            "against");
  add_only(flags, &options.only, "run the ops whose name holds TEXT");
  add_seconds(flags, &options.seconds);
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  check_one_rank(run.coordinator, "kernels");
  check_tokens(model.tokens);
  check_seconds(options.seconds);
  options.tokens = model.tokens;
  options.copy_bytes = static_cast<std::size_t>(parse_byte_size(copy_size, "--copy_size"));
  const LocalSizes sizes = sizes_of_rank(load_bench_config(model.config), model.tp);
  return run_on_one_device(run, flags, "kernels", [&](Backend& backend, bench::Report& report) {
    bench::bench_kernels(backend, sizes, options, report);
  });
}

int run_bench_gemm(BenchRun& run) {
  bench::GemmOptions options;
  ModelFlags model;
  bool accumulate = false;
  BenchFlags flags("gemm --config DIR [flags]",
                   "Times the matrix products of a training step on the shapes of one rank: for "
                   "every linear layer forward, gradient of the input, gradient of the weight.");
  model.add(flags);
  flags.add(kMeasuring, "accumulate", &accumulate, "true|false",
            "add gradients of weights to what is there, as from the second micro-batch on");
  add_only(flags, &options.only, "run the layers whose name holds TEXT");
  add_seconds(flags, &options.seconds);
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  check_one_rank(run.coordinator, "gemm");
  check_tokens(model.tokens);
  check_seconds(options.seconds);
  options.tokens = model.tokens;
  options.weight_gradient = accumulate ? AccumulateMode::accumulate : AccumulateMode::overwrite;
  const ModelConfig config = load_bench_config(model.config);
  const ProcessGrid grid({model.tp, 1, 1}, 0);
  return run_on_one_device(run, flags, "gemm", [&](Backend& backend, bench::Report& report) {
    bench::bench_gemm(backend, config, grid, options, report);
  });
}

int run_bench_attention(BenchRun& run) {
  constexpr std::int64_t kDefaultTokens = 16384;
  bench::AttentionOptions options;
  bench::LengthFlags lengths;
  options.heads = {8, 1, 128, 0.0F};
  BenchFlags flags(
      "attention [flags]",
      "Times attention forward and backward over packed documents: TFLOP/s that causal "
      "attention needs (backward counts 2.5 times forward).");
  flags.add(kShapes, "tokens", &lengths.tokens, "N",
            "tokens of the stream; 0: those of the lengths, else 16384");
  flags.add(kShapes, "lengths", &lengths.lengths, "N,N,...", "lengths of the documents");
  flags.add(kShapes, "lengths_file", &lengths.lengths_file, "FILE", "the same, one a line");
  flags.add(kShapes, "documents", &lengths.documents, "N",
            "cut the tokens into N equal documents; 0: one, or the lengths");
  flags.add(kShapes, "heads", &options.heads.num_q_heads, "N", "query heads");
  flags.add(kShapes, "kv_heads", &options.heads.num_kv_heads, "N", "key and value heads");
  flags.add(kShapes, "head_dim", &options.heads.head_dim, "N", "size of a head");
  flags.add(kShapes, "context_parallel_size", &options.context_parallel, "N",
            "measure the part of one rank of so many that share the stream");
  flags.add(kShapes, "cp_rank", &options.cp_rank, "N", "which rank of them");
  flags.add(kMeasuring, "pack_against_equal", &options.pack_against_equal, "true|false",
            "also time equal documents with the same sums of lengths and of squared lengths");
  add_seconds(flags, &options.seconds);
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  check_one_rank(run.coordinator, "attention");
  check_seconds(options.seconds);
  options.lengths = bench::document_lengths(lengths, kDefaultTokens);
  AttentionHeads& heads = options.heads;
  if (heads.num_q_heads < 1 || heads.num_kv_heads < 1 ||
      heads.num_q_heads % heads.num_kv_heads != 0) {
    user_error("--heads {} --kv_heads {}: the first must be a multiple of the second",
               heads.num_q_heads, heads.num_kv_heads);
  }
  if (heads.head_dim < 1) user_error("--head_dim {}: must be at least 1", heads.head_dim);
  heads.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(heads.head_dim)));
  if (options.context_parallel < 1 || options.cp_rank < 0 ||
      options.cp_rank >= options.context_parallel) {
    user_error("--context_parallel_size {} --cp_rank {}: ranks count from 0 to the size less 1",
               options.context_parallel, options.cp_rank);
  }
  return run_on_one_device(run, flags, "attention", [&](Backend& backend, bench::Report& report) {
    bench::bench_attention(backend, options, report);
  });
}

}  // namespace longhaul
