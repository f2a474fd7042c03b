#include "bench/attention.h"

#include <fmt/format.h>

#include <cmath>

#include "bench/lengths.h"
#include "bench/random_data.h"
#include "bench/timer.h"
#include "core/error.h"
#include "data/batches/micro_batch.h"
#include "metrics/humanize.h"

namespace longhaul::bench {
namespace {

constexpr double kBackwardForward = 2.5;  // five matrix products for two

/// The segments that a rank of a training run gets for documents of these lengths.
MicroBatch make_batch(const std::vector<std::int64_t>& lengths, const AttentionOptions& options) {
  const std::vector<std::int32_t> tokens(static_cast<std::size_t>(sum_of(lengths)), 0);
  const std::vector<float> weights(tokens.size(), 0.0F);
  std::vector<Document> documents;
  for (const std::int64_t length : lengths) {
    documents.push_back({tokens.data(), weights.data(), length});
  }
  const ParallelLayout layout{1, options.context_parallel, 1};
  MicroBatch batch;
  fill_micro_batch(documents, layout, options.cp_rank,
                   padded_stream_tokens(sum_of(lengths), layout), batch);
  return batch;
}

class AttentionBench {
 public:
  AttentionBench(Backend& backend, const AttentionOptions& options, Report& report)
      : backend_(backend),
        options_(options),
        report_(report),
        timer_(*backend.device, options.seconds),
        data_(backend) {}

  struct Rates {
    double forward = 0.0;
    double backward = 0.0;
  };

  Rates run(const char* label, const std::vector<std::int64_t>& lengths) {
    const AttentionHeads& heads = options_.heads;
    const MicroBatch batch = make_batch(lengths, options_);
    const std::int64_t q_cols = std::int64_t{heads.num_q_heads} * heads.head_dim;
    const std::int64_t kv_cols = std::int64_t{heads.num_kv_heads} * heads.head_dim;
    const DType dtype = backend_.device->compute_dtype();
    const Tensor q = data_.matrix(dtype, batch.local_tokens, q_cols);
    const Tensor kv = data_.matrix(dtype, batch.stream_tokens, 2 * kv_cols);
    const Tensor o = data_.matrix(dtype, batch.local_tokens, q_cols);
    const Tensor lse = data_.uninitialised(DType::f32, heads.num_q_heads, batch.local_tokens);
    const Tensor d_o = data_.matrix(dtype, batch.local_tokens, q_cols);
    const Tensor dq = data_.uninitialised(dtype, batch.local_tokens, q_cols);
    // As the model: every rank's queries add to the gradients of shared keys in fp32.
    const bool shared = options_.context_parallel > 1;
    const Tensor d_kv = data_.matrix(shared ? DType::f32 : dtype, batch.stream_tokens, 2 * kv_cols);
    const WorkspaceShape shape{batch.local_tokens, batch.stream_tokens, heads};
    const DeviceBuffer workspace(*backend_.device, backend_.device->model().workspace_bytes(shape));
    backend_.ops->set_workspace(shape, workspace.data(), workspace.bytes());

    const MatrixView k = kv.view.col_range(0, kv_cols);
    const MatrixView v = kv.view.col_range(kv_cols, kv_cols);
    const Timing forward = timer_.measure(1, [&](int) {
      backend_.ops->attention_forward(q.view, k, v, batch.segments, heads, o.view, lse.as<float>());
    });
    const Timing backward = timer_.measure(1, [&](int) {
      backend_.ops->attention_backward(
          q.view, k, v, o.view, lse.as<float>(), d_o.view, batch.segments, heads, dq.view,
          d_kv.view.col_range(0, kv_cols), d_kv.view.col_range(kv_cols, kv_cols),
          shared ? AccumulateMode::accumulate : AccumulateMode::overwrite);
    });
    backend_.ops->set_workspace({}, nullptr, 0);

    const double flops = 4.0 * static_cast<double>(q_cols) * attention_pairs(batch.segments);
    return {add(label, "forward", lengths, forward, flops),
            add(label, "backward", lengths, backward, kBackwardForward * flops)};
  }

 private:
  double add(const char* label, const char* pass, const std::vector<std::int64_t>& lengths,
             const Timing& timing, double flops) {
    const double rate = flops / timing.median;
    report_.add_row({std::string(label), std::string(pass), sum_of(lengths),
                     static_cast<std::int64_t>(lengths.size()), sum_of_squares_of(lengths), flops,
                     timing.median * 1e6, timing.best * 1e6, rate * 1e-12});
    return rate;
  }

  Backend& backend_;
  const AttentionOptions& options_;
  Report& report_;
  Timer timer_;
  RandomData data_;
};

}  // namespace

double attention_pairs(std::span<const AttentionSegment> segments) {
  double pairs = 0.0;
  for (const AttentionSegment& segment : segments) {
    const double rows = segment.q_len;
    const double before = segment.kv_len - segment.q_len;
    pairs += rows * before + 0.5 * rows * (rows + 1.0);
  }
  return pairs;
}

void bench_attention(Backend& backend, const AttentionOptions& options, Report& report) {
  report.set_columns({{"documents", "documents", 10},
                      {"pass", "pass", 9},
                      {"tokens", "tokens", 9},
                      {"count", "count", 6},
                      {"sum_of_squared_lengths", "", 0},
                      {"flops", "", 0},
                      {"microseconds", "us", 12},
                      {"best_microseconds", "best us", 12},
                      {"tflops", "TFLOP/s", 8, kSignificant}});
  AttentionBench bench(backend, options, report);
  report.say(describe_lengths(options.lengths));
  const AttentionBench::Rates given = bench.run("given", options.lengths);
  if (!options.pack_against_equal) return;

  const std::int64_t tokens = sum_of(options.lengths);
  const double squares = sum_of_squares_of(options.lengths);
  const auto total = static_cast<double>(tokens);
  const auto count = static_cast<std::int64_t>(std::llround(total * total / squares));
  const std::vector<std::int64_t> equal = equal_lengths(tokens, count);
  const AttentionBench::Rates same = bench.run("equal", equal);
  report.add_result("forward_against_equal", given.forward / same.forward);
  report.add_result("backward_against_equal", given.backward / same.backward);
  report.add_result("squares_against_equal", squares / sum_of_squares_of(equal));
  report.say(fmt::format("as given against {}: forward {:.3f}, backward {:.3f} of the rate",
                         describe_lengths(equal), given.forward / same.forward,
                         given.backward / same.backward));
}

}  // namespace longhaul::bench
