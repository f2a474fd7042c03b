#include "model/mlp_block.h"

namespace longhaul {

MlpBlock::MlpBlock(const ModelContext& context, int layer)
    : context_(context),
      norm_(context.table.find(ParameterRole::post_attention_norm, layer)),
      gate_up_proj_(context.table.find(ParameterRole::gate_up_proj, layer)),
      down_proj_(context.table.find(ParameterRole::down_proj, layer)) {}

void MlpBlock::project(const TokenCounts& tokens, const LayerActivations& a,
                       const LayerScratch& s) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  const MatrixView normed_part = context_.view(a.normed_2, tokens.sharded, sizes.hidden);
  ops.rms_norm_forward(context_.view(a.middle, tokens.sharded, sizes.hidden), 1,
                       context_.weights.data(norm_), sizes.epsilon, normed_part, a.inv_rms_2);
  const MatrixView gate_up = context_.view(a.gate_up, tokens.local, 2 * sizes.ffn);
  const ConstMatrixView weight = context_.weights.matrix(gate_up_proj_);
  context_.exchange.gather_by_pieces(
      normed_part, s.gathered, "mlp.gather_input", [&](ConstMatrixView normed, std::int64_t begin) {
        ops.linear_forward(normed, weight, nullptr, {}, gate_up.row_range(begin, normed.rows));
      });
}

void MlpBlock::forward(const TokenCounts& tokens, const LayerActivations& a, const LayerScratch& s,
                       MatrixView output) const {
  project(tokens, a, s);
  const LocalSizes& sizes = context_.sizes;
  const MatrixView activated = context_.view(s.activated, tokens.local, sizes.ffn);
  context_.runtime.ops().swiglu_forward(context_.view(a.gate_up, tokens.local, 2 * sizes.ffn),
                                        activated);
  project_to_hidden(context_, activated, down_proj_,
                    context_.view(a.middle, tokens.sharded, sizes.hidden), s, output,
                    "mlp.reduce_output");
}

void MlpBlock::backward(const TokenCounts& tokens, const LayerActivations& a, const LayerScratch& s,
                        MatrixView d_hidden, GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  SequenceParallelComm& exchange = context_.exchange;
  const Weights& weights = context_.weights;

  // `activated` holds its gradient first, then its value, made again for the weight's gradient.
  const MatrixView activated = context_.view(s.activated, tokens.local, sizes.ffn);
  const ConstMatrixView d_output = exchange.gather_by_pieces(
      d_hidden, s.gathered, "mlp.gather_d_output", [&](ConstMatrixView rows, std::int64_t begin) {
        ops.linear_backward_input(rows, weights.matrix(down_proj_),
                                  activated.row_range(begin, rows.rows), AccumulateMode::overwrite);
      });
  // The norm's output is fetched again, instead of being kept on every TP rank, while the down
  // projection's weight gets its gradient.
  const ConstMatrixView normed = exchange.start_gather(
      context_.view(a.normed_2, tokens.sharded, sizes.hidden), s.partial, "mlp.gather_input_again");
  const MatrixView d_gate_up = context_.view(a.gate_up, tokens.local, 2 * sizes.ffn);
  ops.swiglu_backward(activated, d_gate_up, d_gate_up);
  accumulate_linear_gradient(context_, sink, d_output, activated, down_proj_, -1);

  // The input's gradient is summed over TP while the weight gets its own. It may lie where the
  // output's gradient was.
  const MatrixView d_normed = context_.view(s.d_normed, tokens.sharded, sizes.hidden);
  const MatrixView summand = exchange.summand(d_normed, s.gathered, tokens.local);
  ops.linear_backward_input(d_gate_up, weights.matrix(gate_up_proj_), summand,
                            AccumulateMode::overwrite);
  exchange.wait();
  exchange.start_reduce_scatter(summand, d_normed, "mlp.reduce_d_input");
  accumulate_linear_gradient(context_, sink, d_gate_up, normed, gate_up_proj_, -1);
  exchange.wait();
  ops.rms_norm_backward(d_normed, context_.view(a.middle, tokens.sharded, sizes.hidden), 1,
                        weights.data(norm_), a.inv_rms_2, d_hidden, AccumulateMode::accumulate,
                        sink.gradient(norm_).as<float>());
}

}  // namespace longhaul
