#include "model/attention_block.h"

#include "comm/chunk_order.h"
#include "model/sequence_parallel.h"

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

const void* AttentionBlock::bias(int parameter) const {
  return parameter < 0 ? nullptr : context_.weights.data(parameter);
}

MatrixView AttentionBlock::project_kv(const DeviceBatch& batch, const LayerActivations& a,
                                      const LayerScratch& s, ConstMatrixView normed) const {
  const LocalSizes& sizes = context_.sizes;
  Backend& backend = context_.runtime.backend;
  // With CP 1 there is nothing to gather: the local K and V are the stream's.
  void* const target = sizes.cp == 1 ? a.kv : s.kv_local;
  const MatrixView kv = context_.view(target, normed.rows, 2 * sizes.kv_cols);
  const MatrixView keys = kv.col_range(0, sizes.kv_cols);
  const ConstMatrixView weight = context_.weights.matrix(kv_proj_);
  if (sizes.qk_norm) {
    const MatrixView raw = context_.view(a.kv_raw, kv.rows, kv.cols);
    backend.linear_forward(normed, weight, bias(kv_bias_), {}, raw);
    backend.head_norm_rope_forward(raw.col_range(0, sizes.kv_cols), sizes.heads.kv_heads,
                                   context_.weights.data(k_norm_), sizes.epsilon, batch.positions,
                                   context_.rope, keys, a.inv_rms_k);
    backend.convert(raw.col_range(sizes.kv_cols, sizes.kv_cols),
                    kv.col_range(sizes.kv_cols, sizes.kv_cols));
  } else {
    backend.linear_forward(normed, weight, bias(kv_bias_), {}, kv);
    backend.rope(keys, sizes.heads.kv_heads, batch.positions, context_.rope,
                 RopeDirection::forward);
  }
  return kv;
}

void AttentionBlock::gather_kv(const TokenCounts& tokens, ConstMatrixView kv_local, void* kv,
                               const LayerScratch& s) const {
  const int cp = context_.sizes.cp;
  if (cp == 1) return;
  Backend& backend = context_.runtime.backend;
  const Stream stream = context_.gather_stream;
  backend.record(context_.kv_ready, backend.compute_stream());
  backend.wait(stream, context_.kv_ready);
  context_.runtime.comms.cp->all_gather(kv_local.data, s.kv_chunks, kv_local.size(),
                                        context_.dtype(), "attention.gather_kv", stream);
  backend.record(context_.kv_gathered, stream);
  backend.wait(backend.compute_stream(), context_.kv_gathered);
  backend.reorder_chunks(context_.view(s.kv_chunks, tokens.stream, kv_local.cols), chunk_order(cp),
                         context_.view(kv, tokens.stream, kv_local.cols));
}

void AttentionBlock::project_q(const DeviceBatch& batch, const LayerActivations& a,
                               ConstMatrixView normed) const {
  const LocalSizes& sizes = context_.sizes;
  Backend& backend = context_.runtime.backend;
  const MatrixView q = context_.view(a.q, normed.rows, sizes.q_cols);
  const ConstMatrixView weight = context_.weights.matrix(q_proj_);
  if (sizes.qk_norm) {
    const MatrixView raw = context_.view(a.q_raw, q.rows, q.cols);
    backend.linear_forward(normed, weight, bias(q_bias_), {}, raw);
    backend.head_norm_rope_forward(raw, sizes.heads.heads, context_.weights.data(q_norm_),
                                   sizes.epsilon, batch.positions, context_.rope, q, a.inv_rms_q);
  } else {
    backend.linear_forward(normed, weight, bias(q_bias_), {}, q);
    backend.rope(q, sizes.heads.heads, batch.positions, context_.rope, RopeDirection::forward);
  }
}

void AttentionBlock::forward(const DeviceBatch& batch, const LayerActivations& a,
                             const LayerScratch& s, AttentionKernel kernel) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens(batch.stream_tokens, sizes);
  Runtime& runtime = context_.runtime;
  Backend& backend = runtime.backend;

  const ConstMatrixView input = context_.view(a.input, tokens.sharded, sizes.hidden);
  const MatrixView normed_part = context_.view(a.normed_1, tokens.sharded, sizes.hidden);
  backend.rms_norm_forward(input, 1, context_.weights.data(input_norm_), sizes.epsilon, normed_part,
                           a.inv_rms_1);
  const ConstMatrixView normed =
      gather_tokens(runtime, normed_part, s.gathered, "attention.gather_input");

  // The gather is issued before the query projection, which hides it on devices with streams.
  const MatrixView kv_local = project_kv(batch, a, s, normed);
  gather_kv(tokens, kv_local, a.kv, s);
  project_q(batch, a, normed);

  const MatrixView output = context_.view(a.attention, tokens.local, sizes.q_cols);
  if (kernel == AttentionKernel::run) {
    const MatrixView kv = context_.view(a.kv, tokens.stream, 2 * sizes.kv_cols);
    backend.attention_forward(
        context_.view(a.q, tokens.local, sizes.q_cols), kv.col_range(0, sizes.kv_cols),
        kv.col_range(sizes.kv_cols, sizes.kv_cols), batch.segments, sizes.heads, output, a.lse);
  }

  const MatrixView middle = context_.view(a.middle, tokens.sharded, sizes.hidden);
  project_to_hidden(context_, output, o_proj_, input, s, middle, "attention.reduce_output");
}

void AttentionBlock::reduce_d_kv(const TokenCounts& tokens, const LayerScratch& s) const {
  const LocalSizes& sizes = context_.sizes;
  Backend& backend = context_.runtime.backend;
  const std::int64_t cols = 2 * sizes.kv_cols;
  backend.reorder_chunks(MatrixView(s.d_kv_stream, DType::f32, tokens.stream, cols),
                         inverse_chunk_order(sizes.cp),
                         MatrixView(s.d_kv_chunks, DType::f32, tokens.stream, cols));
  context_.runtime.comms.cp->reduce_scatter(s.d_kv_chunks, s.d_kv_local, tokens.local * cols,
                                            DType::f32, "attention.reduce_d_kv",
                                            backend.compute_stream());
  backend.convert(ConstMatrixView(s.d_kv_local, DType::f32, tokens.local, cols),
                  context_.view(s.d_kv, tokens.local, cols));
}

void AttentionBlock::attend_backward(const DeviceBatch& batch, const LayerActivations& a,
                                     const LayerScratch& s, ConstMatrixView d_attention,
                                     MatrixView d_q) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens(batch.stream_tokens, sizes);
  Backend& backend = context_.runtime.backend;
  const MatrixView kv = context_.view(a.kv, tokens.stream, 2 * sizes.kv_cols);
  const auto run = [&](MatrixView d_kv, Write write) {
    backend.attention_backward(
        context_.view(a.q, tokens.local, sizes.q_cols), kv.col_range(0, sizes.kv_cols),
        kv.col_range(sizes.kv_cols, sizes.kv_cols),
        context_.view(a.attention, tokens.local, sizes.q_cols), a.lse, d_attention, batch.segments,
        sizes.heads, d_q, d_kv.col_range(0, sizes.kv_cols),
        d_kv.col_range(sizes.kv_cols, sizes.kv_cols), write);
  };
  if (sizes.cp == 1) {
    // Each document's keys are seen by its own queries alone, and every token is in a document.
    run(context_.view(s.d_kv, tokens.local, kv.cols), Write::overwrite);
    return;
  }
  // Keys and values get gradients from every CP rank's queries.
  const MatrixView d_kv_stream(s.d_kv_stream, DType::f32, kv.rows, kv.cols);
  backend.fill_zero(d_kv_stream.data, d_kv_stream.bytes(), backend.compute_stream());
  run(d_kv_stream, Write::accumulate);
  reduce_d_kv(tokens, s);
}

void AttentionBlock::backward(const DeviceBatch& batch, const LayerActivations& a,
                              const LayerScratch& s, MatrixView d_hidden,
                              GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens(batch.stream_tokens, sizes);
  Runtime& runtime = context_.runtime;
  Backend& backend = runtime.backend;
  const Weights& weights = context_.weights;

  // Output projection.
  const ConstMatrixView d_output =
      gather_tokens(runtime, d_hidden, s.gathered, "attention.gather_d_output");
  const MatrixView output = context_.view(a.attention, tokens.local, sizes.q_cols);
  const MatrixView d_attention = context_.view(s.d_attention, tokens.local, sizes.q_cols);
  backend.linear_backward_input(d_output, weights.matrix(o_proj_), d_attention, Write::overwrite);
  accumulate_linear_gradient(context_, sink, d_output, output, o_proj_, -1);

  const MatrixView d_q = context_.view(s.d_q, tokens.local, sizes.q_cols);
  const MatrixView d_kv = context_.view(s.d_kv, tokens.local, 2 * sizes.kv_cols);
  attend_backward(batch, a, s, d_attention, d_q);

  // RoPE and QK norm.
  const MatrixView d_keys = d_kv.col_range(0, sizes.kv_cols);
  if (sizes.qk_norm) {
    const MatrixView raw = context_.view(a.kv_raw, tokens.local, 2 * sizes.kv_cols);
    backend.head_norm_rope_backward(d_q, context_.view(a.q_raw, tokens.local, sizes.q_cols),
                                    sizes.heads.heads, weights.data(q_norm_), a.inv_rms_q,
                                    batch.positions, context_.rope,
                                    sink.gradient(q_norm_).as<float>());
    backend.head_norm_rope_backward(d_keys, raw.col_range(0, sizes.kv_cols), sizes.heads.kv_heads,
                                    weights.data(k_norm_), a.inv_rms_k, batch.positions,
                                    context_.rope, sink.gradient(k_norm_).as<float>());
  } else {
    backend.rope(d_q, sizes.heads.heads, batch.positions, context_.rope, RopeDirection::backward);
    backend.rope(d_keys, sizes.heads.kv_heads, batch.positions, context_.rope,
                 RopeDirection::backward);
  }

  // Projections; the gathered input is fetched again instead of being kept on every TP rank.
  const ConstMatrixView normed =
      gather_tokens(runtime, context_.view(a.normed_1, tokens.sharded, sizes.hidden), s.gathered,
                    "attention.gather_input_again");
  accumulate_linear_gradient(context_, sink, d_q, normed, q_proj_, q_bias_);
  accumulate_linear_gradient(context_, sink, d_kv, normed, kv_proj_, kv_bias_);
  const MatrixView d_normed = context_.view(s.d_normed, tokens.sharded, sizes.hidden);
  const MatrixView partial = partial_sum_buffer(runtime, d_normed, s.partial, tokens.local);
  backend.linear_backward_input(d_q, weights.matrix(q_proj_), partial, Write::overwrite);
  backend.linear_backward_input(d_kv, weights.matrix(kv_proj_), partial, Write::accumulate);
  reduce_scatter_tokens(runtime, partial, d_normed, "attention.reduce_d_input");
  backend.rms_norm_backward(d_normed, context_.view(a.input, tokens.sharded, sizes.hidden), 1,
                            weights.data(input_norm_), a.inv_rms_1, d_hidden, Write::accumulate,
                            sink.gradient(input_norm_).as<float>());
}

}  // namespace longhaul
