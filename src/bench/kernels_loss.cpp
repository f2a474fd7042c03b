// The loss head: rows in and out, cross-entropy over the vocabulary.
#include <algorithm>
#include <cmath>

#include "bench/kernel_suite.h"
#include "model/loss_head.h"

namespace longhaul::bench {
namespace {

void rows_of_the_head(KernelSuite& suite, std::int64_t rows) {
  struct Set {
    Tensor all, some, index;
  };
  Ops& ops = *suite.backend.ops;
  const std::int64_t tokens = suite.tokens.cp_local;
  const std::int64_t cols = suite.sizes.hidden;
  const auto make = [&] {
    Set s{suite.activation(tokens, cols), suite.activation(rows, cols), {}};
    std::vector<std::int32_t> index(static_cast<std::size_t>(rows));  // spread evenly
    for (std::int64_t i = 0; i < rows; ++i) {
      index[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i * tokens / rows);
    }
    s.index = suite.data().integers(index);
    return s;
  };
  const auto bytes = [](const Set& s) { return moved({s.some.view, s.some.view, s.index.view}); };
  suite.measure("gather_rows", shape_text(rows, cols), make, bytes, [&](const Set& s) {
    ops.gather_rows(s.all.view, s.index.as<std::int32_t>(), s.some.view);
  });
  suite.measure("scatter_rows", shape_text(rows, cols), make, bytes, [&](const Set& s) {
    ops.scatter_rows(s.some.view, s.index.as<std::int32_t>(), s.all.view);
  });
}

struct LossSet {
  Tensor logits, fresh, targets, partials, nll, lse, weights, result;
};

void cross_entropy(KernelSuite& suite, std::int64_t rows) {
  Device& device = *suite.backend.device;
  Ops& ops = *suite.backend.ops;
  const LocalSizes& sizes = suite.sizes;
  const std::int64_t cols = sizes.vocab_rows;
  const auto vocabulary = static_cast<std::int64_t>(sizes.vocab_rows) * sizes.tp;
  const auto targets = [&] {
    return suite.data().integers(suite.data().random_integers(rows, vocabulary));
  };
  suite.measure(
      "cross_entropy_partials", shape_text(rows, cols),
      [&] {
        LossSet s;
        s.logits = suite.activation(rows, cols);
        s.targets = targets();
        s.partials = suite.data().uninitialised(DType::f32, rows, kCrossEntropyPartials);
        return s;
      },
      [](const LossSet& s) {
        return moved({s.logits.view, s.targets.view, s.partials.view});
      },
      [&](const LossSet& s) {
        ops.cross_entropy_partials(s.logits.view, sizes.vocab_valid, s.targets.as<std::int32_t>(),
                                   sizes.vocab_begin, s.partials.as<float>());
      });
  suite.measure(
      "cross_entropy_combine", shape_text(sizes.tp * rows, kCrossEntropyPartials),
      [&] {
        LossSet s;
        s.partials = suite.floats(sizes.tp * rows, kCrossEntropyPartials, {5.0, 1.0});
        s.nll = suite.data().uninitialised(DType::f32, rows, 1);
        s.lse = suite.data().uninitialised(DType::f32, rows, 1);
        return s;
      },
      [](const LossSet& s) {
        return moved({s.partials.view, s.nll.view, s.lse.view});
      },
      [&](const LossSet& s) {
        ops.cross_entropy_combine(s.partials.as<float>(), sizes.tp, rows, s.nll.as<float>(),
                                  s.lse.as<float>());
      });
  suite.measure(
      "cross_entropy_backward", shape_text(rows, cols),
      [&] {
        LossSet s;
        s.fresh = suite.activation(rows, cols);
        s.logits = suite.data().uninitialised(suite.dtype, rows, cols);
        device.copy_on_device(s.logits.data(), s.fresh.data(), s.fresh.view.bytes(),
                              device.compute_stream());
        s.targets = targets();
        s.weights = suite.floats(rows, 1, {1.0, 0.1});
        // What normal logits of deviation 1 give.
        s.lse = suite.floats(rows, 1, {std::log(static_cast<double>(vocabulary)) + 0.5, 0.01});
        return s;
      },
      [](const LossSet& s) {
        return moved({s.logits.view, s.logits.view, s.targets.view, s.weights.view, s.lse.view});
      },
      [&](const LossSet& s) {
        ops.cross_entropy_backward(s.logits.view, sizes.vocab_valid, s.targets.as<std::int32_t>(),
                                   sizes.vocab_begin, s.weights.as<float>(), s.lse.as<float>());
      },
      [&](const LossSet& s) {
        device.copy_on_device(s.logits.data(), s.fresh.data(), s.fresh.view.bytes(),
                              device.compute_stream());
      });
}

void weighted_sum(KernelSuite& suite) {
  const std::int64_t rows = suite.tokens.cp_local;
  suite.measure(
      "weighted_sum", shape_text(rows, 1),
      [&] {
        LossSet s;
        s.nll = suite.floats(rows, 1, {10.0, 1.0});
        s.weights = suite.floats(rows, 1, {1.0, 0.1});
        s.result = suite.data().uninitialised(DType::f64, 1, 1);
        suite.backend.device->fill_zero(s.result.data(), sizeof(double),
                                        suite.backend.device->compute_stream());
        return s;
      },
      [](const LossSet& s) {
        return moved({s.nll.view, s.weights.view, s.result.view, s.result.view});
      },
      [&](const LossSet& s) {
        suite.backend.ops->weighted_sum(s.nll.as<float>(), s.weights.as<float>(), rows,
                                        s.result.as<double>());
      });
}

}  // namespace

void bench_loss(KernelSuite& suite) {
  const std::int64_t rows = LossHead::chunk_rows(suite.sizes, suite.dtype, suite.tokens.cp_local);
  rows_of_the_head(suite, rows);
  cross_entropy(suite, rows);
  weighted_sum(suite);
}

}  // namespace longhaul::bench
