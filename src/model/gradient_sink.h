#pragma once

#include "core/tensor/accumulate_mode.h"
#include "core/tensor/matrix.h"
#include "model/unit.h"

namespace longhaul {

/// Where the backward pass puts weight gradients.
class GradientSink {
 public:
  virtual ~GradientSink() = default;
  /// [rows, cols] fp32 of a parameter (by its index in the ParameterTable), to accumulate into.
  virtual MatrixView gradient(int parameter) = 0;
  struct Destination {
    MatrixView view;  // [rows, cols] fp32
    AccumulateMode write;
  };
  /// The same for an op that can overwrite as well as accumulate, which then spares clearing: the
  /// first contribution has to overwrite. The caller must write all of it.
  virtual Destination destination(int parameter) = 0;
  /// The backward pass has issued the last contribution of this micro-batch to all parameters of
  /// `unit`. Units complete in backward order: the head, the layers from the last, the embedding.
  virtual void complete(Unit unit) = 0;
};

}  // namespace longhaul
