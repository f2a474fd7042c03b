#include "model/layer_context.h"

namespace longhaul {

void project_to_hidden(const ModelContext& context, ConstMatrixView x, int weight_parameter,
                       ConstMatrixView residual, const LayerScratch& scratch, MatrixView hidden,
                       Label label) {
  Runtime& runtime = context.runtime;
  const ConstMatrixView weight = context.weights.matrix(weight_parameter);
  if (context.sizes.tp == 1) {
    // The product adds the residual as it writes: one pass over the hidden state less.
    runtime.ops().linear_forward(x, weight, nullptr, residual, hidden);
    return;
  }
  const MatrixView partial = context.view(scratch.partial, x.rows, hidden.cols);
  context.exchange.reduce_by_pieces(
      partial, hidden, label, [&](MatrixView rows, std::int64_t begin) {
        runtime.ops().linear_forward(x.row_range(begin, rows.rows), weight, nullptr, {}, rows);
      });
  runtime.ops().add(residual, hidden);
}

void accumulate_linear_gradient(const ModelContext& context, GradientSink& sink, ConstMatrixView dy,
                                ConstMatrixView x, int weight_parameter, int bias_parameter) {
  Ops& ops = context.runtime.ops();
  const auto [dw, write] = sink.destination(weight_parameter);
  ops.linear_backward_weight(dy, x, dw, write);
  if (bias_parameter >= 0) {
    ops.bias_backward(dy, sink.gradient(bias_parameter).as<float>());
  }
}

}  // namespace longhaul
