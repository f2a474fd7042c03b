#include "model/layer_context.h"

namespace longhaul {

void accumulate_linear_gradient(const ModelContext& context, GradientSink& sink, ConstMatrixView dy,
                                ConstMatrixView x, int weight_parameter, int bias_parameter) {
  Backend& backend = context.runtime.backend;
  backend.linear_backward_weight(dy, x, sink.gradient(weight_parameter));
  if (bias_parameter >= 0) {
    backend.bias_backward(dy, sink.gradient(bias_parameter).as<float>());
  }
}

}  // namespace longhaul
