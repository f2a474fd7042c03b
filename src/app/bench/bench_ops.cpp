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

/// Which rows to measure, and for how long.
void add_measuring(OptionGroup& group, std::string* only, const char* what, double* seconds) {
  group.add("only", only, "TEXT", what);
  add_bench_seconds(group, seconds);
}

void check_one_rank(Coordinator& coordinator, const char* name) {
  coordinator.run_collectively([&] {
    if (coordinator.size() == 1) return;
    user_error("bench {} measures one device; start it without mpirun, or with one rank", name);
  });
}

/// The sizes of a rank of a tensor-parallel group that need not be there.
LocalSizes sizes_of_rank(const ModelConfig& config, int tp) {
  const ProcessGrid grid(ParallelLayout{tp, 1, 1}, 0);
  return LocalSizes(config, grid, ParameterTable(config, grid));
}

/// The flags of a benchmark on a model's shapes.
struct ModelFlags {
  std::string config;
  int tp = 1;
  std::int64_t tokens = 16384;

  void add(BenchFlags& flags) {
    OptionGroup shapes = flags.group(kShapes);
    add_bench_config(shapes, &config);
    shapes
        .add("tensor_model_parallel_size", &tp, "N",
             "shapes of one rank of so many that share each weight matrix")
        .at_least(1);
    shapes.add("tokens", &tokens, "N", "tokens of one rank").between(1, kMostTokens);
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
  OptionGroup measuring = flags.group(kMeasuring);
  measuring.add("copy_size", &copy_size, "SIZE",
                "bytes of the copy that others are held "
                "against");
  add_measuring(measuring, &options.only, "run the ops whose name holds TEXT", &options.seconds);
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  check_one_rank(run.coordinator, "kernels");
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
  OptionGroup measuring = flags.group(kMeasuring);
  measuring.add("accumulate", &accumulate,
                "add gradients of weights to what is there, as from the second micro-batch on");
  add_measuring(measuring, &options.only, "run the layers whose name holds TEXT", &options.seconds);
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  check_one_rank(run.coordinator, "gemm");
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
  OptionGroup shapes = flags.group(kShapes);
  add_bench_lengths(shapes, &lengths, "tokens of the stream; 0: those of the lengths, else 16384",
                    "lengths of the documents");
  shapes.add("heads", &options.heads.num_q_heads, "N", "query heads");
  shapes.add("kv_heads", &options.heads.num_kv_heads, "N", "key and value heads");
  shapes.add("head_dim", &options.heads.head_dim, "N", "size of a head").at_least(1);
  shapes.add("context_parallel_size", &options.context_parallel, "N",
             "measure the part of one rank of so many that share the stream");
  shapes.add("cp_rank", &options.cp_rank, "N", "which rank of them");
  OptionGroup measuring = flags.group(kMeasuring);
  measuring.add("pack_against_equal", &options.pack_against_equal,
                "also time equal documents with the same sums of lengths and of squared lengths");
  add_bench_seconds(measuring, &options.seconds);
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  check_one_rank(run.coordinator, "attention");
  options.lengths = bench::document_lengths(lengths, kDefaultTokens);
  AttentionHeads& heads = options.heads;
  if (heads.num_q_heads < 1 || heads.num_kv_heads < 1 ||
      heads.num_q_heads % heads.num_kv_heads != 0) {
    user_error("--heads {} --kv_heads {}: the first must be a multiple of the second",
               heads.num_q_heads, heads.num_kv_heads);
  }
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
