// Conversion, fp32 gradients and the optimizer.
#include "bench/kernel_suite.h"

namespace longhaul::bench {
namespace {

void conversions(KernelSuite& suite) {
  struct Set {
    Tensor src, dst;
    MatrixView from, to;
  };
  Ops& ops = *suite.backend.ops;
  const std::int64_t rows = suite.tokens.cp_local;
  const std::int64_t cols = 2 * suite.sizes.kv_cols;
  const auto measure = [&](const char* name, DType from, DType to, std::int64_t used_cols) {
    suite.measure(
        name, shape_text(rows, used_cols),
        [&] {
          Set s{suite.data().matrix(from, rows, cols),
                suite.data().uninitialised(to, rows, cols),
                {},
                {}};
          s.from = s.src.view.col_range(cols - used_cols, used_cols);
          s.to = s.dst.view.col_range(cols - used_cols, used_cols);
          return s;
        },
        [](const Set& s) {
          return moved({s.from, s.to});
        },
        [&](const Set& s) { ops.convert(s.from, s.to); });
  };
  // Gradients of k and v on their way to bf16; v on its way past the norm of k.
  measure("convert, fp32 to weights' type", DType::f32, suite.dtype, cols);
  measure("convert, weights' type to fp32", suite.dtype, DType::f32, cols);
  measure("convert, same type, half a row", suite.dtype, suite.dtype, cols / 2);
}

struct StateSet {
  Tensor master, exp_avg, exp_avg_sq, grad, weight, result;
};

void optimizer(KernelSuite& suite, std::int64_t count) {
  Device& device = *suite.backend.device;
  Ops& ops = *suite.backend.ops;
  const std::string shape = fmt::format("{}", count);
  suite.measure(
      "adamw", shape,
      [&] {
        StateSet s;
        s.master = suite.floats(1, count, {0.0, 0.02});
        s.exp_avg = suite.floats(1, count, {0.0, 0.1});
        s.exp_avg_sq = suite.floats(1, count, {0.5, 0.1});
        s.grad = suite.floats(1, count);
        s.weight = suite.data().uninitialised(suite.dtype, 1, count);
        return s;
      },
      [](const StateSet& s) {
        return moved({s.master.view, s.master.view, s.exp_avg.view, s.exp_avg.view,
                      s.exp_avg_sq.view, s.exp_avg_sq.view, s.grad.view, s.weight.view});
      },
      [&](const StateSet& s) {
        AdamWStep step;
        step.master = s.master.as<float>();
        step.exp_avg = s.exp_avg.as<float>();
        step.exp_avg_sq = s.exp_avg_sq.as<float>();
        step.grad = s.grad.as<float>();
        step.weight = s.weight.data();
        step.count = count;
        step.learning_rate = 1e-5F;
        step.weight_decay = 0.1F;
        ops.adamw(step);
      });
  const auto gradients = [&] {
    StateSet s;
    s.grad = suite.floats(1, count);
    s.master = suite.floats(1, count);
    s.result = suite.data().uninitialised(DType::f64, 1, 1);
    device.fill_zero(s.result.data(), sizeof(double), device.compute_stream());
    return s;
  };
  suite.measure(
      "sum_of_squares", shape, gradients,
      [](const StateSet& s) {
        return moved({s.grad.view, s.result.view, s.result.view});
      },
      [&](const StateSet& s) {
        ops.sum_of_squares(s.grad.as<float>(), count, s.result.as<double>());
      });
  suite.measure(
      "accumulate", shape, gradients,
      [](const StateSet& s) {
        return moved({s.grad.view, s.master.view, s.master.view});
      },
      [&](const StateSet& s) { ops.accumulate(s.grad.as<float>(), s.master.as<float>(), count); });
  suite.measure(
      "fill_zero", shape, gradients, [](const StateSet& s) { return s.master.bytes(); },
      [&](const StateSet& s) {
        device.fill_zero(s.master.data(), s.master.view.bytes(), device.compute_stream());
      });
}

}  // namespace

void bench_updates(KernelSuite& suite) {
  conversions(suite);
  // The largest matrix of a layer: gate and up.
  optimizer(suite, 2 * suite.sizes.ffn * suite.sizes.hidden);
}

}  // namespace longhaul::bench
