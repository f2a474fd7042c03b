#include "model/linear.h"

#include <array>

#include "core/error.h"

namespace longhaul {
namespace {

/// What a matrix's role says of its linear layer.
struct RoleTraits {
  std::string_view name;
  ParameterRole bias;  // the role itself: never has one
  bool adds_residual;
  bool shares_input;
};

RoleTraits traits_of(ParameterRole role) {
  switch (role) {
    case ParameterRole::kv_proj:
      return {"kv", ParameterRole::kv_bias, false, true};
    case ParameterRole::q_proj:
      return {"q", ParameterRole::q_bias, false, false};
    case ParameterRole::o_proj:
      return {"o", role, true, false};
    case ParameterRole::gate_up_proj:
      return {"gate_up", role, false, false};
    case ParameterRole::down_proj:
      return {"down", role, true, false};
    case ParameterRole::embedding:  // tied
    case ParameterRole::lm_head:
      return {"head", role, false, false};
    case ParameterRole::input_norm:
    case ParameterRole::q_bias:
    case ParameterRole::kv_bias:
    case ParameterRole::q_norm:
    case ParameterRole::k_norm:
    case ParameterRole::post_attention_norm:
    case ParameterRole::final_norm:
      break;
  }
  throw InternalError("a parameter that is no matrix of a linear layer");
}

}  // namespace

LinearSpec linear_spec(const ParameterTable& table, Unit unit, ParameterRole role) {
  const RoleTraits traits = traits_of(role);
  int index = table.find(role, unit);
  if (index < 0 && role == ParameterRole::lm_head) {
    index = table.find(ParameterRole::embedding, Unit::embedding());
  }
  LONGHAUL_CHECK(index >= 0, "the model has no matrix {}", traits.name);
  const Parameter& p = table.parameters()[static_cast<std::size_t>(index)];
  LinearSpec spec;
  spec.name = traits.name;
  spec.weight = index;
  if (traits.bias != role) spec.bias = table.find(traits.bias, unit);
  spec.in = p.cols;
  spec.out = p.rows;
  spec.split = table.tensors()[static_cast<std::size_t>(p.pieces.front().tensor)].split;
  spec.adds_residual = traits.adds_residual;
  spec.shares_input = traits.shares_input;
  return spec;
}

std::vector<LinearSpec> linear_specs(const ParameterTable& table, Unit unit) {
  std::vector<LinearSpec> specs;
  switch (unit.kind) {
    case UnitKind::embedding:
      break;
    case UnitKind::layer:
      for (const ParameterRole role :
           {ParameterRole::q_proj, ParameterRole::kv_proj, ParameterRole::o_proj,
            ParameterRole::gate_up_proj, ParameterRole::down_proj}) {
        specs.push_back(linear_spec(table, unit, role));
      }
      break;
    case UnitKind::head:
      specs.push_back(linear_spec(table, unit, ParameterRole::lm_head));
      break;
  }
  return specs;
}

void Linear::forward(const WeightLease& weights, ConstMatrixView x, MatrixView y) const {
  const void* const bias = spec_.bias < 0 ? nullptr : weights.data(spec_.bias);
  context_.runtime.ops().linear_forward(x, weights.matrix(spec_.weight), bias, {}, y);
}

void Linear::forward_to_hidden(const WeightLease& weights, ConstMatrixView x,
                               ConstMatrixView residual, MatrixView hidden, Label label) const {
  Ops& ops = context_.runtime.ops();
  if (context_.sizes.tp == 1) {
    // The product adds the residual as it writes: one pass over the hidden state less.
    ops.linear_forward(x, weights.matrix(spec_.weight), nullptr, residual, hidden);
    return;
  }
  const MatrixView partial = context_.view(context_.scratch.partial, x.rows, hidden.cols);
  context_.sp_comm.reduce_by_pieces(partial, hidden, label,
                                    [&](MatrixView rows, std::int64_t begin) {
                                      forward(weights, x.row_range(begin, rows.rows), rows);
                                    });
  ops.add(residual, hidden);
}

void Linear::backward_input(const WeightLease& weights, ConstMatrixView dy, MatrixView dx) const {
  context_.runtime.ops().linear_backward_input(
      dy, weights.matrix(spec_.weight), dx,
      spec_.shares_input ? AccumulateMode::accumulate : AccumulateMode::overwrite);
}

void Linear::backward_weight(ConstMatrixView dy, ConstMatrixView x, GradientSink& sink) const {
  Ops& ops = context_.runtime.ops();
  const auto [dw, write] = sink.destination(spec_.weight);
  ops.linear_backward_weight(dy, x, dw, write);
  if (spec_.bias >= 0) ops.bias_backward(dy, sink.gradient(spec_.bias).as<float>());
}

}  // namespace longhaul
