#include "model/mlp_block.h"

namespace longhaul {

void MlpBuffers::allocate(ActivationArena& arena) {
  norm_out = arena.hidden("post-attention norm");
  inv_rms = arena.floats(arena.tokens.sp, "post-attention norm statistics");
  gate_up = arena.matrix(arena.tokens.cp_local, 2 * arena.sizes.ffn, "gate and up");
}

MlpBlock::MlpBlock(const ModelContext& context, Unit unit, Recompute mode, const MlpBuffers& shared,
                   const MlpScratch& scratch, ActivationArena arena)
    : context_(context),
      buffers_(shared),
      scratch_(scratch),
      norm_(context.table.find(ParameterRole::post_attention_norm, unit)),
      gate_up_proj_(context, unit, ParameterRole::gate_up_proj),
      down_proj_(context, unit, ParameterRole::down_proj) {
  if (mode == Recompute::none) buffers_.allocate(arena);
}

void MlpBlock::project(const WeightLease& weights, const TokenCounts& tokens,
                       ConstMatrixView x) const {
  const LocalSizes& sizes = context_.sizes;
  const MatrixView norm_out = context_.view(buffers_.norm_out, tokens.sp, sizes.hidden);
  context_.runtime.ops().rms_norm_forward(x, 1, weights.data(norm_), sizes.epsilon, norm_out,
                                          buffers_.inv_rms);
  const MatrixView gate_up = context_.view(buffers_.gate_up, tokens.cp_local, 2 * sizes.ffn);
  context_.sp_comm.gather_by_pieces(norm_out, context_.scratch.gathered, "mlp.gather_input",
                                    [&](ConstMatrixView rows, std::int64_t begin) {
                                      gate_up_proj_.forward(weights, rows,
                                                            gate_up.row_range(begin, rows.rows));
                                    });
}

void MlpBlock::forward(const WeightLease& weights, const TokenCounts& tokens, ConstMatrixView x,
                       MatrixView y) const {
  project(weights, tokens, x);
  const LocalSizes& sizes = context_.sizes;
  const MatrixView act = context_.view(scratch_.act, tokens.cp_local, sizes.ffn);
  context_.runtime.ops().swiglu_forward(
      context_.view(buffers_.gate_up, tokens.cp_local, 2 * sizes.ffn), act);
  down_proj_.forward_to_hidden(weights, act, x, y, "mlp.reduce_output");
}

void MlpBlock::backward(const WeightLease& weights, const TokenCounts& tokens, ConstMatrixView x,
                        MatrixView d_hidden, GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  SequenceParallelComm& sp_comm = context_.sp_comm;
  const HiddenScratch& shared = context_.scratch;

  // `act` holds its gradient first, then its value, made again for the weight's gradient.
  const MatrixView act = context_.view(scratch_.act, tokens.cp_local, sizes.ffn);
  const ConstMatrixView d_output = sp_comm.gather_by_pieces(
      d_hidden, shared.gathered, "mlp.gather_d_output",
      [&](ConstMatrixView rows, std::int64_t begin) {
        down_proj_.backward_input(weights, rows, act.row_range(begin, rows.rows));
      });
  // The norm's output is fetched again, instead of being kept on every TP rank, while the down
  // projection's weight gets its gradient.
  const ConstMatrixView norm_out =
      sp_comm.start_gather(context_.view(buffers_.norm_out, tokens.sp, sizes.hidden),
                           shared.partial, "mlp.gather_input_again");
  const MatrixView d_gate_up = context_.view(buffers_.gate_up, tokens.cp_local, 2 * sizes.ffn);
  ops.swiglu_backward(act, d_gate_up, d_gate_up);
  down_proj_.backward_weight(d_output, act, sink);

  // The input's gradient is summed over TP while the weight gets its own. It may lie where the
  // output's gradient was.
  const MatrixView d_norm_out = context_.view(shared.d_norm_out, tokens.sp, sizes.hidden);
  const MatrixView d_input = sp_comm.unreduced(d_norm_out, shared.gathered, tokens.cp_local);
  gate_up_proj_.backward_input(weights, d_gate_up, d_input);
  sp_comm.wait();
  sp_comm.start_reduce_scatter(d_input, d_norm_out, "mlp.reduce_d_input");
  gate_up_proj_.backward_weight(d_gate_up, norm_out, sink);
  sp_comm.wait();
  ops.rms_norm_backward(d_norm_out, x, 1, weights.data(norm_), buffers_.inv_rms, d_hidden,
                        AccumulateMode::accumulate, sink.gradient(norm_).as<float>());
}

}  // namespace longhaul
