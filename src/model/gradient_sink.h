#pragma once

#include "compute/backend.h"
#include "core/matrix.h"

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
  /// `layer`; -1 means those outside of layers.
  virtual void complete(int layer) = 0;
};

}  // namespace longhaul
