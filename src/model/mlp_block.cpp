#include "model/mlp_block.h"

#include "model/sequence_parallel.h"

namespace longhaul {

MlpBlock::MlpBlock(const ModelContext& context, int layer)
    : context_(context),
      norm_(context.table.find(ParameterRole::post_attention_norm, layer)),
      gate_up_proj_(context.table.find(ParameterRole::gate_up_proj, layer)),
      down_proj_(context.table.find(ParameterRole::down_proj, layer)) {}

void MlpBlock::project(const TokenCounts& tokens, const LayerActivations& a,
                       const LayerScratch& s) const {
  const LocalSizes& sizes = context_.sizes;
  Backend& backend = context_.runtime.backend;
  const MatrixView normed_part = context_.view(a.normed_2, tokens.sharded, sizes.hidden);
  backend.rms_norm_forward(context_.view(a.middle, tokens.sharded, sizes.hidden), 1,
                           context_.weights.data(norm_), sizes.epsilon, normed_part, a.inv_rms_2);
  const ConstMatrixView normed =
      gather_tokens(context_.runtime, normed_part, s.gathered, "mlp.gather_input");
  const MatrixView gate_up = context_.view(a.gate_up, tokens.local, 2 * sizes.ffn);
  backend.linear_forward(normed, context_.weights.matrix(gate_up_proj_), nullptr, {}, gate_up);
}

void MlpBlock::forward(const TokenCounts& tokens, const LayerActivations& a, const LayerScratch& s,
                       MatrixView output) const {
  project(tokens, a, s);
  const LocalSizes& sizes = context_.sizes;
  const MatrixView activated = context_.view(s.activated, tokens.local, sizes.ffn);
  context_.runtime.backend.swiglu_forward(context_.view(a.gate_up, tokens.local, 2 * sizes.ffn),
                                          activated);
  project_to_hidden(context_, activated, down_proj_,
                    context_.view(a.middle, tokens.sharded, sizes.hidden), s, output,
                    "mlp.reduce_output");
}

void MlpBlock::backward(const TokenCounts& tokens, const LayerActivations& a, const LayerScratch& s,
                        MatrixView d_hidden, GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  Runtime& runtime = context_.runtime;
  Backend& backend = runtime.backend;
  const Weights& weights = context_.weights;

  const ConstMatrixView d_output =
      gather_tokens(runtime, d_hidden, s.gathered, "mlp.gather_d_output");
  // `activated` holds its gradient first, then its value, made again for the weight's gradient.
  const MatrixView activated = context_.view(s.activated, tokens.local, sizes.ffn);
  backend.linear_backward_input(d_output, weights.matrix(down_proj_), activated, Write::overwrite);
  const MatrixView d_gate_up = context_.view(a.gate_up, tokens.local, 2 * sizes.ffn);
  backend.swiglu_backward(activated, d_gate_up, d_gate_up);
  accumulate_linear_gradient(context_, sink, d_output, activated, down_proj_, -1);

  const ConstMatrixView normed =
      gather_tokens(runtime, context_.view(a.normed_2, tokens.sharded, sizes.hidden), s.gathered,
                    "mlp.gather_input_again");
  accumulate_linear_gradient(context_, sink, d_gate_up, normed, gate_up_proj_, -1);
  const MatrixView d_normed = context_.view(s.d_normed, tokens.sharded, sizes.hidden);
  const MatrixView partial = partial_sum_buffer(runtime, d_normed, s.partial, tokens.local);
  backend.linear_backward_input(d_gate_up, weights.matrix(gate_up_proj_), partial,
                                Write::overwrite);
  reduce_scatter_tokens(runtime, partial, d_normed, "mlp.reduce_d_input");
  backend.rms_norm_backward(d_normed, context_.view(a.middle, tokens.sharded, sizes.hidden), 1,
                            weights.data(norm_), a.inv_rms_2, d_hidden, Write::accumulate,
                            sink.gradient(norm_).as<float>());
}

}  // namespace longhaul
