#include "model/attention_block.h"

namespace longhaul {

AttentionBlock::AttentionBlock(const ModelContext& context, int layer)
    : context_(context),
      input_norm_(context.table.find(ParameterRole::input_norm, layer)),
      q_proj_(context.table.find(ParameterRole::q_proj, layer)),
      q_bias_(context.table.find(ParameterRole::q_bias, layer)),
      kv_proj_(context.table.find(ParameterRole::kv_proj, layer)),
      kv_bias_(context.table.find(ParameterRole::kv_bias, layer)),
      q_norm_(context.table.find(ParameterRole::q_norm, layer)),
      k_norm_(context.table.find(ParameterRole::k_norm, layer)),
      o_proj_(context.table.find(ParameterRole::o_proj, layer)) {}

MatrixView AttentionBlock::kv_projection(const TokenCounts& tokens, const LayerActivations& a,
                                         const LayerScratch& s) const {
  void* const data = context_.sizes.qk_norm ? a.kv_raw : kv_of_rank(a, s);
  return context_.view(data, tokens.local, 2 * context_.sizes.kv_cols);
}

MatrixView AttentionBlock::q_projection(const TokenCounts& tokens,
                                        const LayerActivations& a) const {
  return context_.view(context_.sizes.qk_norm ? a.q_raw : a.q, tokens.local, context_.sizes.q_cols);
}

void* AttentionBlock::kv_of_rank(const LayerActivations& a, const LayerScratch& s) const {
  // With CP 1 there is nothing to gather: the local K and V are the stream's.
  return context_.sizes.cp == 1 ? a.kv : s.kv_local;
}

void AttentionBlock::project(ConstMatrixView normed, int weight, int bias_parameter,
                             MatrixView output) const {
  const void* const bias = bias_parameter < 0 ? nullptr : context_.weights.data(bias_parameter);
  context_.runtime.ops().linear_forward(normed, context_.weights.matrix(weight), bias, {}, output);
}

void AttentionBlock::rotate_kv(const DeviceBatch& batch, const LayerActivations& a,
                               MatrixView projected, MatrixView kv) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  const MatrixView keys = kv.col_range(0, sizes.kv_cols);
  if (!sizes.qk_norm) {
    ops.rope(keys, sizes.heads.num_kv_heads, batch.positions, context_.rope,
             RopeDirection::forward);
    return;
  }
  ops.head_norm_rope_forward(projected.col_range(0, sizes.kv_cols), sizes.heads.num_kv_heads,
                             context_.weights.data(k_norm_), sizes.epsilon, batch.positions,
                             context_.rope, keys, a.inv_rms_k);
  ops.convert(projected.col_range(sizes.kv_cols, sizes.kv_cols),
              kv.col_range(sizes.kv_cols, sizes.kv_cols));
}

void AttentionBlock::rotate_q(const DeviceBatch& batch, const LayerActivations& a,
                              MatrixView projected) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  const MatrixView q = context_.view(a.q, projected.rows, sizes.q_cols);
  if (!sizes.qk_norm) {
    ops.rope(q, sizes.heads.num_q_heads, batch.positions, context_.rope, RopeDirection::forward);
    return;
  }
  ops.head_norm_rope_forward(projected, sizes.heads.num_q_heads, context_.weights.data(q_norm_),
                             sizes.epsilon, batch.positions, context_.rope, q, a.inv_rms_q);
}

void AttentionBlock::project_inputs(const DeviceBatch& batch, const LayerActivations& a,
                                    const LayerScratch& s, ConstMatrixView normed_part,
                                    MatrixView kv) const {
  const TokenCounts tokens(batch.stream_tokens, context_.sizes);
  const MatrixView kv_projected = kv_projection(tokens, a, s);
  const MatrixView q_projected = q_projection(tokens, a);
  ConstMatrixView last;
  std::int64_t last_begin = 0;
  context_.exchange.gather_by_pieces(
      normed_part, s.gathered, "attention.gather_input",
      [&](ConstMatrixView normed, std::int64_t begin) {
        if (begin > 0) {
          project(last, q_proj_, q_bias_, q_projected.row_range(last_begin, last.rows));
        }
        project(normed, kv_proj_, kv_bias_, kv_projected.row_range(begin, normed.rows));
        last = normed;
        last_begin = begin;
      });
  const MatrixView kv_local = context_.view(kv_of_rank(a, s), tokens.local, kv.cols);
  rotate_kv(batch, a, kv_projected, kv_local);
  // The queries' last rows, or all of them with TP 1, hide the gathering of K and V.
  context_.kv_exchange.start_gather(kv_local, s);
  project(last, q_proj_, q_bias_, q_projected.row_range(last_begin, last.rows));
  rotate_q(batch, a, q_projected);
  context_.kv_exchange.finish_gather(kv, s);
}

void AttentionBlock::forward(const DeviceBatch& batch, const LayerActivations& a,
                             const LayerScratch& s, AttentionKernel kernel) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens(batch.stream_tokens, sizes);
  Ops& ops = context_.runtime.ops();

  const ConstMatrixView input = context_.view(a.input, tokens.sharded, sizes.hidden);
  const MatrixView normed_part = context_.view(a.normed_1, tokens.sharded, sizes.hidden);
  ops.rms_norm_forward(input, 1, context_.weights.data(input_norm_), sizes.epsilon, normed_part,
                       a.inv_rms_1);
  const MatrixView kv = context_.view(a.kv, tokens.stream, 2 * sizes.kv_cols);
  project_inputs(batch, a, s, normed_part, kv);

  const MatrixView output = context_.view(a.attention, tokens.local, sizes.q_cols);
  if (kernel == AttentionKernel::run) {
    ops.attention_forward(
        context_.view(a.q, tokens.local, sizes.q_cols), kv.col_range(0, sizes.kv_cols),
        kv.col_range(sizes.kv_cols, sizes.kv_cols), batch.segments, sizes.heads, output, a.lse);
  }

  const MatrixView middle = context_.view(a.middle, tokens.sharded, sizes.hidden);
  project_to_hidden(context_, output, o_proj_, input, s, middle, "attention.reduce_output");
}

void AttentionBlock::attend_backward(const DeviceBatch& batch, const LayerActivations& a,
                                     const LayerScratch& s, ConstMatrixView d_attention,
                                     MatrixView d_q) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens(batch.stream_tokens, sizes);
  Device& device = context_.runtime.device;
  Ops& ops = context_.runtime.ops();
  const MatrixView kv = context_.view(a.kv, tokens.stream, 2 * sizes.kv_cols);
  const auto run = [&](MatrixView d_kv, AccumulateMode write) {
    ops.attention_backward(
        context_.view(a.q, tokens.local, sizes.q_cols), kv.col_range(0, sizes.kv_cols),
        kv.col_range(sizes.kv_cols, sizes.kv_cols),
        context_.view(a.attention, tokens.local, sizes.q_cols), a.lse, d_attention, batch.segments,
        sizes.heads, d_q, d_kv.col_range(0, sizes.kv_cols),
        d_kv.col_range(sizes.kv_cols, sizes.kv_cols), write);
  };
  if (sizes.cp == 1) {
    // Each document's keys are seen by its own queries alone, and every token is in a document.
    run(context_.view(s.d_kv, tokens.local, kv.cols), AccumulateMode::overwrite);
    return;
  }
  // Keys and values get gradients from every CP rank's queries.
  const MatrixView d_kv_stream(s.d_kv_stream, DType::f32, kv.rows, kv.cols);
  device.fill_zero(d_kv_stream.data, d_kv_stream.bytes(), device.compute_stream());
  run(d_kv_stream, AccumulateMode::accumulate);
}

void AttentionBlock::rotate_q_backward(const DeviceBatch& batch, const LayerActivations& a,
                                       MatrixView d_q, GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  if (!sizes.qk_norm) {
    ops.rope(d_q, sizes.heads.num_q_heads, batch.positions, context_.rope, RopeDirection::backward);
    return;
  }
  ops.head_norm_rope_backward(d_q, context_.view(a.q_raw, d_q.rows, d_q.cols),
                              sizes.heads.num_q_heads, context_.weights.data(q_norm_), a.inv_rms_q,
                              batch.positions, context_.rope, sink.gradient(q_norm_).as<float>());
}

void AttentionBlock::rotate_kv_backward(const DeviceBatch& batch, const LayerActivations& a,
                                        MatrixView d_kv, GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  Ops& ops = context_.runtime.ops();
  const MatrixView d_keys = d_kv.col_range(0, sizes.kv_cols);
  if (!sizes.qk_norm) {
    ops.rope(d_keys, sizes.heads.num_kv_heads, batch.positions, context_.rope,
             RopeDirection::backward);
    return;
  }
  const MatrixView raw = context_.view(a.kv_raw, d_kv.rows, d_kv.cols);
  ops.head_norm_rope_backward(d_keys, raw.col_range(0, sizes.kv_cols), sizes.heads.num_kv_heads,
                              context_.weights.data(k_norm_), a.inv_rms_k, batch.positions,
                              context_.rope, sink.gradient(k_norm_).as<float>());
}

void AttentionBlock::backward(const DeviceBatch& batch, const LayerActivations& a,
                              const LayerScratch& s, MatrixView d_hidden,
                              GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens(batch.stream_tokens, sizes);
  Ops& ops = context_.runtime.ops();
  SequenceParallelComm& exchange = context_.exchange;
  const Weights& weights = context_.weights;

  // Output projection.
  const MatrixView output = context_.view(a.attention, tokens.local, sizes.q_cols);
  const MatrixView d_attention = context_.view(s.d_attention, tokens.local, sizes.q_cols);
  const ConstMatrixView d_output =
      exchange.gather_by_pieces(d_hidden, s.gathered, "attention.gather_d_output",
                                [&](ConstMatrixView rows, std::int64_t begin) {
                                  ops.linear_backward_input(rows, weights.matrix(o_proj_),
                                                            d_attention.row_range(begin, rows.rows),
                                                            AccumulateMode::overwrite);
                                });
  // The norm's output is fetched again, instead of being kept on every TP rank, while the gradients
  // go through the attention.
  const ConstMatrixView normed =
      exchange.start_gather(context_.view(a.normed_1, tokens.sharded, sizes.hidden), s.partial,
                            "attention.gather_input_again");
  accumulate_linear_gradient(context_, sink, d_output, output, o_proj_, -1);
  const MatrixView d_q = context_.view(s.d_q, tokens.local, sizes.q_cols);
  const MatrixView d_kv = context_.view(s.d_kv, tokens.local, 2 * sizes.kv_cols);
  attend_backward(batch, a, s, d_attention, d_q);

  // The queries' part of the input's gradient is made while that of K and V is summed over CP. It
  // may lie where the output's gradient was.
  context_.kv_exchange.start_reduce(tokens, s);
  rotate_q_backward(batch, a, d_q, sink);
  const MatrixView d_normed = context_.view(s.d_normed, tokens.sharded, sizes.hidden);
  const MatrixView summand = exchange.summand(d_normed, s.gathered, tokens.local);
  ops.linear_backward_input(d_q, weights.matrix(q_proj_), summand, AccumulateMode::overwrite);
  context_.kv_exchange.finish_reduce(d_kv, s);
  rotate_kv_backward(batch, a, d_kv, sink);
  ops.linear_backward_input(d_kv, weights.matrix(kv_proj_), summand, AccumulateMode::accumulate);

  // Its sum over TP goes on while the weights get their gradients.
  exchange.wait();
  exchange.start_reduce_scatter(summand, d_normed, "attention.reduce_d_input");
  accumulate_linear_gradient(context_, sink, d_q, normed, q_proj_, q_bias_);
  accumulate_linear_gradient(context_, sink, d_kv, normed, kv_proj_, kv_bias_);
  exchange.wait();
  ops.rms_norm_backward(d_normed, context_.view(a.input, tokens.sharded, sizes.hidden), 1,
                        weights.data(input_norm_), a.inv_rms_1, d_hidden,
                        AccumulateMode::accumulate, sink.gradient(input_norm_).as<float>());
}

}  // namespace longhaul
