#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/gradient_sink.h"
#include "model/layer_context.h"

namespace longhaul {

/// A linear layer as a rank holds it, y = x w^T + b: one matrix, of which the model may have
/// several stacked by rows (K and V, gate and up).
struct LinearSpec {
  std::string_view name;  // "q", "kv", "o", "gate_up", "down", "head"
  int weight = -1;        // index in the ParameterTable, [out, in]
  int bias = -1;          // likewise, [out]; -1: none
  std::int64_t in = 0;    // columns and rows of this rank's part
  std::int64_t out = 0;
  /// rows: column-parallel, each rank makes its own columns of y; columns: row-parallel, the sum
  /// over TP is y.
  TpSplit split = TpSplit::replicated;
  /// The product adds the residual connection, when its own sum over TP needs no exchange.
  bool adds_residual = false;
  /// An earlier linear layer of the unit has the same input: the input's gradient is added to that
  /// layer's.
  bool shares_input = false;
};

/// The linear layer whose matrix has this role. The head of a tied model is the embedding.
LinearSpec linear_spec(const ParameterTable& table, Unit unit, ParameterRole role);

/// All linear layers of a unit, in the order of the forward pass.
std::vector<LinearSpec> linear_specs(const ParameterTable& table, Unit unit);

/// The products of one linear layer. Everything that decides how they are computed is in here:
/// blocks say what is multiplied, not how.
class Linear {
 public:
  Linear(const ModelContext& context, Unit unit, ParameterRole role)
      : context_(context), spec_(linear_spec(context.table, unit, role)) {}

  [[nodiscard]] const LinearSpec& spec() const { return spec_; }

  /// x [T, in] -> y [T, out], overwritten. Of a row-parallel layer: this rank's part of a sum.
  void forward(const WeightLease& weights, ConstMatrixView x, MatrixView y) const;
  /// A row-parallel layer onto the residual stream: hidden [sp, H] = the sum over TP of x
  /// [cp_local, in] times the weight, plus residual [sp, H]; another buffer than `hidden`.
  void forward_to_hidden(const WeightLease& weights, ConstMatrixView x, ConstMatrixView residual,
                         MatrixView hidden, Label label) const;
  /// dy [T, out] -> dx [T, in].
  void backward_input(const WeightLease& weights, ConstMatrixView dy, MatrixView dx) const;
  /// dy [T, out], x [T, in] -> the gradients of weight and bias in `sink`.
  void backward_weight(ConstMatrixView dy, ConstMatrixView x, GradientSink& sink) const;

 private:
  const ModelContext& context_;
  LinearSpec spec_;
};

}  // namespace longhaul
