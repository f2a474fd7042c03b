#include "bench/gemm.h"

#include <fmt/format.h>

#include "bench/workbench.h"
#include "model/loss_head.h"

namespace longhaul::bench {
namespace {

/// y [tokens, out] = x [tokens, in] w [out, in]^T
struct Linear {
  std::string name;
  std::int64_t tokens;
  std::int64_t out;
  std::int64_t in;
  std::int64_t calls;  // of a step
  bool bias = false;
  bool residual = false;  // the product adds it
  AccumulateMode input_gradient =
      AccumulateMode::overwrite;  // accumulate: another layer has the same input
};

std::vector<Linear> linears(const ModelConfig& config, const LocalSizes& sizes, std::int64_t tokens,
                            DType dtype) {
  const std::int64_t h = sizes.hidden;
  const std::int64_t layers = sizes.layers;
  const bool bias = config.qkv_bias;
  const bool residual = sizes.tp == 1;  // else it is added after summing over TP
  const std::int64_t rows = LossHead::chunk_rows(sizes, dtype, tokens);
  return {
      {"q", tokens, sizes.q_cols, h, layers, bias},
      {"kv", tokens, 2 * sizes.kv_cols, h, layers, bias, false, AccumulateMode::accumulate},
      {"o", tokens, h, sizes.q_cols, layers, false, residual},
      {"gate_up", tokens, 2 * sizes.ffn, h, layers},
      {"down", tokens, h, sizes.ffn, layers, false, residual},
      {"head", rows, sizes.vocab_rows, h, (tokens + rows - 1) / rows},
  };
}

class GemmBench {
 public:
  GemmBench(Backend& backend, const GemmOptions& options, Report& report)
      : backend_(backend),
        options_(options),
        report_(report),
        bench_(backend, options.seconds),
        dtype_(backend.compute_dtype()) {}

  void run(const Linear& linear) {
    if (linear.name.find(options_.only) == std::string::npos) return;
    forward(linear);
    input_gradient(linear);
    weight_gradient(linear);
  }

  void add_means() {
    if (rows_ == 0) return;
    const double mean = sum_of_rates_ / static_cast<double>(rows_) * 1e-12;
    const double weighted = step_flops_ / step_seconds_ * 1e-12;
    report_.add_result("tflops_mean", mean);
    report_.add_result("tflops_weighted", weighted);
    report_.add_result("step_microseconds", step_seconds_ * 1e6);
    report_.say(fmt::format(
        "mean of the rows {:.4g} TFLOP/s; all products of a step {:.4g} TFLOP/s in {:.2f} ms", mean,
        weighted, step_seconds_ * 1e3));
  }

 private:
  struct Set {
    Tensor x, w, y, bias, addend;
  };

  Tensor weight(const Linear& linear) {
    return bench_.data().matrix(dtype_, linear.out, linear.in, {0.0, 0.02});
  }
  Tensor activation(const Linear& linear, std::int64_t cols) {
    return bench_.data().matrix(dtype_, linear.tokens, cols);
  }

  void forward(const Linear& linear) {
    const Timing timing = bench_.time(
        [&] {
          Set s;
          s.x = activation(linear, linear.in);
          s.w = weight(linear);
          s.y = bench_.data().uninitialised(dtype_, linear.tokens, linear.out);
          if (linear.bias) s.bias = bench_.data().matrix(dtype_, 1, linear.out);
          if (linear.residual) s.addend = activation(linear, linear.out);
          return s;
        },
        [&](const Set& s) {
          backend_.linear_forward(s.x.view, s.w.view, s.bias.data(), s.addend.view, s.y.view);
        });
    add(linear, "forward", timing);
  }

  void input_gradient(const Linear& linear) {
    const Timing timing = bench_.time(
        [&] {
          Set s;
          s.y = activation(linear, linear.out);
          s.w = weight(linear);
          s.x = activation(linear, linear.in);
          return s;
        },
        [&](const Set& s) {
          backend_.linear_backward_input(s.y.view, s.w.view, s.x.view, linear.input_gradient);
        });
    add(linear, "input gradient", timing);
  }

  void weight_gradient(const Linear& linear) {
    // From the second chunk of rows on, the head's is added to the first's.
    const AccumulateMode write = linear.name == "head" && linear.calls > 1
                                     ? AccumulateMode::accumulate
                                     : options_.weight_gradient;
    const Timing timing = bench_.time(
        [&] {
          Set s;
          s.y = activation(linear, linear.out);
          s.x = activation(linear, linear.in);
          s.w = bench_.data().matrix(DType::f32, linear.out, linear.in);
          return s;
        },
        [&](const Set& s) {
          backend_.linear_backward_weight(s.y.view, s.x.view, s.w.view, write);
        });
    add(linear, "weight gradient", timing);
  }

  void add(const Linear& linear, const char* product, const Timing& timing) {
    const double flops = 2.0 * static_cast<double>(linear.tokens) *
                         static_cast<double>(linear.out) * static_cast<double>(linear.in);
    report_.add_row({linear.name, std::string(product), linear.tokens, linear.out, linear.in,
                     linear.calls, timing.median * 1e6, timing.best * 1e6,
                     flops / timing.median * 1e-12});
    rows_ += 1;
    sum_of_rates_ += flops / timing.median;
    step_flops_ += flops * static_cast<double>(linear.calls);
    step_seconds_ += timing.median * static_cast<double>(linear.calls);
  }

  Backend& backend_;
  const GemmOptions& options_;
  Report& report_;
  Workbench bench_;
  DType dtype_;
  std::int64_t rows_ = 0;
  double sum_of_rates_ = 0.0;
  double step_flops_ = 0.0;
  double step_seconds_ = 0.0;
};

}  // namespace

void bench_gemm(Backend& backend, const ModelConfig& config, const LocalSizes& sizes,
                const GemmOptions& options, Report& report) {
  report.set_columns({{"linear", "linear", 8},
                      {"product", "product", 15},
                      {"tokens", "tokens", 8},
                      {"out", "out", 8},
                      {"in", "in", 8},
                      {"calls_per_step", "calls", 6},
                      {"microseconds", "us", 10},
                      {"best_microseconds", "best us", 10},
                      {"tflops", "TFLOP/s", 8, kSignificant}});
  const DeviceBuffer workspace(
      backend, backend.workspace_bytes(options.tokens, options.tokens, sizes.heads));
  backend.set_workspace(workspace.data(), workspace.bytes());
  GemmBench bench(backend, options, report);
  for (const Linear& linear : linears(config, sizes, options.tokens, backend.compute_dtype())) {
    bench.run(linear);
  }
  bench.add_means();
  backend.set_workspace(nullptr, 0);
}

}  // namespace longhaul::bench
