#include "model/attention_block.h"

namespace longhaul {

void AttentionBuffers::allocate_output(ActivationArena& arena) {
  const TokenCounts& tokens = arena.tokens;
  out = arena.matrix(tokens.cp_local, arena.sizes.q_cols, "attention output");
  lse = arena.floats(arena.sizes.heads.num_q_heads * tokens.cp_local, "attention log-sum-exp");
}

void AttentionBuffers::allocate_recomputable(ActivationArena& arena) {
  const LocalSizes& sizes = arena.sizes;
  const TokenCounts& tokens = arena.tokens;
  const std::int64_t kv_cols = 2 * sizes.kv_cols;
  norm_out = arena.hidden("input norm");
  inv_rms = arena.floats(tokens.sp, "input norm statistics");
  q = arena.matrix(tokens.cp_local, sizes.q_cols, "queries");
  kv = arena.matrix(tokens.global, kv_cols, "keys and values");
  if (sizes.qk_norm) {
    q_raw = arena.matrix(tokens.cp_local, sizes.q_cols, "queries before QK norm");
    kv_raw = arena.matrix(tokens.cp_local, kv_cols, "keys before QK norm");
    inv_rms_q = arena.floats(tokens.cp_local * sizes.heads.num_q_heads, "query norm statistics");
    inv_rms_k = arena.floats(tokens.cp_local * sizes.heads.num_kv_heads, "key norm statistics");
  }
  residual = arena.hidden("hidden after attention");
}

AttentionScratch::AttentionScratch(ActivationArena arena)
    : d_q(arena.matrix(arena.tokens.cp_local, arena.sizes.q_cols, "query gradient")),
      d_out(arena.matrix(arena.tokens.cp_local, arena.sizes.q_cols, "attention output gradient")),
      d_kv(arena.matrix(arena.tokens.cp_local, 2 * arena.sizes.kv_cols, "key and value gradient")) {
}

AttentionBlock::AttentionBlock(const ModelContext& context, Unit unit, Recompute mode,
                               const AttentionBuffers& shared, const AttentionScratch& scratch,
                               ActivationArena arena)
    : context_(context),
      buffers_(shared),
      scratch_(scratch),
      input_norm_(context.table.find(ParameterRole::input_norm, unit)),
      q_norm_(context.table.find(ParameterRole::q_norm, unit)),
      k_norm_(context.table.find(ParameterRole::k_norm, unit)),
      q_proj_(context, unit, ParameterRole::q_proj),
      kv_proj_(context, unit, ParameterRole::kv_proj),
      o_proj_(context, unit, ParameterRole::o_proj) {
  if (mode != Recompute::full) buffers_.allocate_output(arena);
  if (mode == Recompute::none) buffers_.allocate_recomputable(arena);
}

void AttentionBlock::rotate_kv(const WeightLease& weights, const DeviceBatch& batch,
                               MatrixView projected, MatrixView kv) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  if (!sizes.qk_norm) {
    ops.rope(keys(kv), sizes.heads.num_kv_heads, batch.positions, context_.rope,
             RopeDirection::forward);
    return;
  }
  ops.head_norm_rope_forward(keys(projected), sizes.heads.num_kv_heads, weights.data(k_norm_),
                             sizes.epsilon, batch.positions, context_.rope, keys(kv),
                             buffers_.inv_rms_k);
  ops.convert(values(projected), values(kv));
}

void AttentionBlock::rotate_q(const WeightLease& weights, const DeviceBatch& batch,
                              MatrixView projected) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  const MatrixView q = context_.view(buffers_.q, projected.rows, sizes.q_cols);
  if (!sizes.qk_norm) {
    ops.rope(q, sizes.heads.num_q_heads, batch.positions, context_.rope, RopeDirection::forward);
    return;
  }
  ops.head_norm_rope_forward(projected, sizes.heads.num_q_heads, weights.data(q_norm_),
                             sizes.epsilon, batch.positions, context_.rope, q, buffers_.inv_rms_q);
}

void AttentionBlock::project_inputs(const WeightLease& weights, const DeviceBatch& batch,
                                    ConstMatrixView norm_out, MatrixView kv) const {
  const TokenCounts tokens = tokens_of(batch);
  const bool qk_norm = context_.sizes.qk_norm;
  const MatrixView kv_local = context_.kv_exchange.local(kv, tokens);
  const MatrixView kv_projected =
      qk_norm ? context_.view(buffers_.kv_raw, tokens.cp_local, kv.cols) : kv_local;
  const MatrixView q_projected = q_view(tokens, qk_norm ? buffers_.q_raw : buffers_.q);
  ConstMatrixView last;
  std::int64_t last_begin = 0;
  context_.sp_comm.gather_by_pieces(
      norm_out, context_.scratch.gathered, "attention.gather_input",
      [&](ConstMatrixView rows, std::int64_t begin) {
        if (begin > 0) q_proj_.forward(weights, last, q_projected.row_range(last_begin, last.rows));
        kv_proj_.forward(weights, rows, kv_projected.row_range(begin, rows.rows));
        last = rows;
        last_begin = begin;
      });
  rotate_kv(weights, batch, kv_projected, kv_local);
  // The queries' last rows, or all of them with TP 1, hide the gathering of K and V.
  context_.kv_exchange.start_gather(kv_local);
  q_proj_.forward(weights, last, q_projected.row_range(last_begin, last.rows));
  rotate_q(weights, batch, q_projected);
  context_.kv_exchange.finish_gather(kv);
}

void AttentionBlock::forward(const WeightLease& weights, const DeviceBatch& batch,
                             ConstMatrixView x, AttentionKernel kernel) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens = tokens_of(batch);
  Ops& ops = context_.runtime.ops();

  const MatrixView norm_out = context_.view(buffers_.norm_out, tokens.sp, sizes.hidden);
  ops.rms_norm_forward(x, 1, weights.data(input_norm_), sizes.epsilon, norm_out, buffers_.inv_rms);
  const MatrixView kv = kv_view(tokens);
  project_inputs(weights, batch, norm_out, kv);

  const MatrixView out = q_view(tokens, buffers_.out);
  if (kernel == AttentionKernel::run) {
    ops.attention_forward(q_view(tokens, buffers_.q), keys(kv), values(kv), batch.segments,
                          sizes.heads, out, buffers_.lse);
  }
  o_proj_.forward_to_hidden(weights, out, x, residual(tokens), "attention.reduce_output");
}

void AttentionBlock::attend_backward(const DeviceBatch& batch, ConstMatrixView d_out,
                                     MatrixView d_q, MatrixView d_kv) const {
  const TokenCounts tokens = tokens_of(batch);
  const MatrixView kv = kv_view(tokens);
  // With CP 1 each document's keys are seen by its own queries alone, and every token is in a
  // document; else keys and values get gradients from every CP rank's queries.
  const AccumulateMode mode =
      context_.sizes.cp == 1 ? AccumulateMode::overwrite : AccumulateMode::accumulate;
  const MatrixView d_stream = context_.kv_exchange.stream_gradient(d_kv, tokens);
  context_.runtime.ops().attention_backward(
      q_view(tokens, buffers_.q), keys(kv), values(kv), q_view(tokens, buffers_.out), buffers_.lse,
      d_out, batch.segments, context_.sizes.heads, d_q, keys(d_stream), values(d_stream), mode);
}

void AttentionBlock::rotate_q_backward(const WeightLease& weights, const DeviceBatch& batch,
                                       MatrixView d_q, GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  if (!sizes.qk_norm) {
    ops.rope(d_q, sizes.heads.num_q_heads, batch.positions, context_.rope, RopeDirection::backward);
    return;
  }
  ops.head_norm_rope_backward(d_q, context_.view(buffers_.q_raw, d_q.rows, d_q.cols),
                              sizes.heads.num_q_heads, weights.data(q_norm_), buffers_.inv_rms_q,
                              batch.positions, context_.rope, sink.gradient(q_norm_).as<float>());
}

void AttentionBlock::rotate_kv_backward(const WeightLease& weights, const DeviceBatch& batch,
                                        MatrixView d_kv, GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  if (!sizes.qk_norm) {
    ops.rope(keys(d_kv), sizes.heads.num_kv_heads, batch.positions, context_.rope,
             RopeDirection::backward);
    return;
  }
  ops.head_norm_rope_backward(keys(d_kv),
                              keys(context_.view(buffers_.kv_raw, d_kv.rows, d_kv.cols)),
                              sizes.heads.num_kv_heads, weights.data(k_norm_), buffers_.inv_rms_k,
                              batch.positions, context_.rope, sink.gradient(k_norm_).as<float>());
}

void AttentionBlock::backward(const WeightLease& weights, const DeviceBatch& batch,
                              ConstMatrixView x, MatrixView d_hidden, GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens = tokens_of(batch);
  SequenceParallelComm& sp_comm = context_.sp_comm;
  const HiddenScratch& shared = context_.scratch;

  // Output projection.
  const MatrixView d_out = q_view(tokens, scratch_.d_out);
  const ConstMatrixView d_output = sp_comm.gather_by_pieces(
      d_hidden, shared.gathered, "attention.gather_d_output",
      [&](ConstMatrixView rows, std::int64_t begin) {
        o_proj_.backward_input(weights, rows, d_out.row_range(begin, rows.rows));
      });
  // The norm's output is fetched again, instead of being kept on every TP rank, while the gradients
  // go through the attention.
  const ConstMatrixView norm_out =
      sp_comm.start_gather(context_.view(buffers_.norm_out, tokens.sp, sizes.hidden),
                           shared.partial, "attention.gather_input_again");
  o_proj_.backward_weight(d_output, q_view(tokens, buffers_.out), sink);
  const MatrixView d_q = q_view(tokens, scratch_.d_q);
  const MatrixView d_kv = context_.view(scratch_.d_kv, tokens.cp_local, 2 * sizes.kv_cols);
  attend_backward(batch, d_out, d_q, d_kv);

  // The queries' part of the input's gradient is made while that of K and V is summed over CP. It
  // may lie where the output's gradient was.
  context_.kv_exchange.start_reduce(tokens);
  rotate_q_backward(weights, batch, d_q, sink);
  const MatrixView d_norm_out = context_.view(shared.d_norm_out, tokens.sp, sizes.hidden);
  const MatrixView d_input = sp_comm.unreduced(d_norm_out, shared.gathered, tokens.cp_local);
  q_proj_.backward_input(weights, d_q, d_input);
  context_.kv_exchange.finish_reduce(d_kv);
  rotate_kv_backward(weights, batch, d_kv, sink);
  kv_proj_.backward_input(weights, d_kv, d_input);

  // Its sum over TP goes on while the weights get their gradients.
  sp_comm.wait();
  sp_comm.start_reduce_scatter(d_input, d_norm_out, "attention.reduce_d_input");
  q_proj_.backward_weight(d_q, norm_out, sink);
  kv_proj_.backward_weight(d_kv, norm_out, sink);
  sp_comm.wait();
  context_.runtime.ops().rms_norm_backward(d_norm_out, x, 1, weights.data(input_norm_),
                                           buffers_.inv_rms, d_hidden, AccumulateMode::accumulate,
                                           sink.gradient(input_norm_).as<float>());
}

}  // namespace longhaul
