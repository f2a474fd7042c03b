#include "bench/gemm.h"

#include <fmt/format.h>

#include "bench/workbench.h"
#include "model/linear.h"
#include "model/loss_head.h"

namespace longhaul::bench {
namespace {

/// A linear layer of the model, and how a step uses it.
struct Use {
  LinearSpec linear;
  std::int64_t tokens;  // rows of a call
  std::int64_t calls;   // of a step
};

/// Every linear layer of the model: those of a layer once for all layers.
std::vector<Use> uses(const ParameterTable& table, const LocalSizes& sizes, std::int64_t tokens,
                      DType dtype) {
  std::vector<Use> list;
  for (const LinearSpec& linear : linear_specs(table, Unit::of_layer(0))) {
    list.push_back({linear, tokens, sizes.layers});
  }
  const std::int64_t rows = LossHead::chunk_rows(sizes, dtype, tokens);
  for (const LinearSpec& linear : linear_specs(table, Unit::head())) {
    list.push_back({linear, rows, (tokens + rows - 1) / rows});
  }
  return list;
}

class GemmBench {
 public:
  GemmBench(Backend& backend, int tp, const GemmOptions& options, Report& report)
      : backend_(backend),
        tp_(tp),
        options_(options),
        report_(report),
        bench_(backend, options.seconds),
        dtype_(backend.device->compute_dtype()) {}

  void run(const Use& use) {
    if (use.linear.name.find(options_.only) == std::string::npos) return;
    forward(use);
    input_gradient(use);
    weight_gradient(use);
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

  Tensor weight(const Use& use) {
    return bench_.data().matrix(dtype_, use.linear.out, use.linear.in, {0.0, 0.02});
  }
  Tensor activation(const Use& use, std::int64_t cols) {
    return bench_.data().matrix(dtype_, use.tokens, cols);
  }

  void forward(const Use& use) {
    const Timing timing = bench_.time(
        [&] {
          Set s;
          s.x = activation(use, use.linear.in);
          s.w = weight(use);
          s.y = bench_.data().uninitialised(dtype_, use.tokens, use.linear.out);
          if (use.linear.bias >= 0) s.bias = bench_.data().matrix(dtype_, 1, use.linear.out);
          if (use.linear.adds_residual && tp_ == 1) s.addend = activation(use, use.linear.out);
          return s;
        },
        [&](const Set& s) {
          backend_.ops->linear_forward(s.x.view, s.w.view, s.bias.data(), s.addend.view, s.y.view);
        });
    add(use, "forward", timing);
  }

  void input_gradient(const Use& use) {
    const Timing timing = bench_.time(
        [&] {
          Set s;
          s.y = activation(use, use.linear.out);
          s.w = weight(use);
          s.x = activation(use, use.linear.in);
          return s;
        },
        [&](const Set& s) {
          backend_.ops->linear_backward_input(
              s.y.view, s.w.view, s.x.view,
              use.linear.shares_input ? AccumulateMode::accumulate : AccumulateMode::overwrite);
        });
    add(use, "input gradient", timing);
  }

  void weight_gradient(const Use& use) {
    // From the second chunk of rows on, the head's is added to the first's.
    const AccumulateMode write = use.linear.name == "head" && use.calls > 1
                                     ? AccumulateMode::accumulate
                                     : options_.weight_gradient;
    const Timing timing = bench_.time(
        [&] {
          Set s;
          s.y = activation(use, use.linear.out);
          s.x = activation(use, use.linear.in);
          s.w = bench_.data().matrix(DType::f32, use.linear.out, use.linear.in);
          return s;
        },
        [&](const Set& s) {
          backend_.ops->linear_backward_weight(s.y.view, s.x.view, s.w.view, write);
        });
    add(use, "weight gradient", timing);
  }

  void add(const Use& use, const char* product, const Timing& timing) {
    const double flops = 2.0 * static_cast<double>(use.tokens) *
                         static_cast<double>(use.linear.out) * static_cast<double>(use.linear.in);
    report_.add_row({std::string(use.linear.name), std::string(product), use.tokens, use.linear.out,
                     use.linear.in, use.calls, timing.median * 1e6, timing.best * 1e6,
                     flops / timing.median * 1e-12});
    rows_ += 1;
    sum_of_rates_ += flops / timing.median;
    step_flops_ += flops * static_cast<double>(use.calls);
    step_seconds_ += timing.median * static_cast<double>(use.calls);
  }

  Backend& backend_;
  int tp_;  // residuals are added by the product where nothing is summed over TP
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

void bench_gemm(Backend& backend, const ModelConfig& config, const ProcessGrid& grid,
                const GemmOptions& options, Report& report) {
  const ParameterTable table(config, grid);
  const LocalSizes sizes(config, grid, table);
  report.set_columns({{"linear", "linear", 8},
                      {"product", "product", 15},
                      {"tokens", "tokens", 8},
                      {"out", "out", 8},
                      {"in", "in", 8},
                      {"calls_per_step", "calls", 6},
                      {"microseconds", "us", 10},
                      {"best_microseconds", "best us", 10},
                      {"tflops", "TFLOP/s", 8, kSignificant}});
  const WorkspaceShape shape{options.tokens, options.tokens, sizes.heads};
  const DeviceBuffer workspace(*backend.device, backend.device->model().workspace_bytes(shape));
  backend.ops->set_workspace(shape, workspace.data(), workspace.bytes());
  GemmBench bench(backend, sizes.tp, options, report);
  for (const Use& use : uses(table, sizes, options.tokens, backend.device->compute_dtype())) {
    bench.run(use);
  }
  bench.add_means();
  backend.ops->set_workspace({}, nullptr, 0);
}

}  // namespace longhaul::bench
