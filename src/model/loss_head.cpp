#include "model/loss_head.h"

#include <algorithm>

namespace longhaul {
namespace {

// A chunk of logits of this size keeps the matrix products large without weighing on memory.
constexpr std::int64_t kLogitsChunkBytes = std::int64_t{512} << 20;

}  // namespace

std::int64_t LossHead::chunk_rows(const LocalSizes& sizes, DType dtype, std::int64_t local_tokens) {
  const auto width = static_cast<std::int64_t>(size_of(dtype));
  return std::clamp<std::int64_t>(kLogitsChunkBytes / (sizes.vocab_rows * width), 1, local_tokens);
}

LossHead::LossHead(const ModelContext& context, ActivationArena arena)
    : context_(context),
      final_norm_(context.table.find(ParameterRole::final_norm, Unit::head())),
      head_(context, Unit::head(), ParameterRole::lm_head) {
  const LocalSizes& sizes = context.sizes;
  const TokenCounts& tokens = arena.tokens;
  chunk_rows_ = chunk_rows(sizes, context.dtype(), tokens.cp_local);
  norm_out_ = arena.hidden("final norm");
  inv_rms_ = arena.floats(tokens.sp, "final norm statistics");
  rows_ = arena.matrix(chunk_rows_, sizes.hidden, "loss rows");
  d_rows_ = arena.matrix(chunk_rows_, sizes.hidden, "loss row gradients");
  logits_ = arena.matrix(chunk_rows_, sizes.vocab_rows, "logits");
  partials_ = arena.floats(chunk_rows_ * kCrossEntropyPartials, "softmax partials");
  all_partials_ =
      arena.floats(sizes.tp * chunk_rows_ * kCrossEntropyPartials, "gathered softmax partials");
  lse_ = arena.floats(chunk_rows_, "log-sum-exp of logits");
  nll_ = arena.floats(tokens.cp_local, "negative log-likelihoods");
}

ConstMatrixView LossHead::norm_and_gather(const WeightLease& weights,
                                          ConstMatrixView hidden) const {
  const MatrixView norm_out = context_.view(norm_out_, hidden.rows, hidden.cols);
  context_.runtime.ops().rms_norm_forward(hidden, 1, weights.data(final_norm_),
                                          context_.sizes.epsilon, norm_out, inv_rms_);
  return context_.sp_comm.gather(norm_out, context_.scratch.gathered, "head.gather_hidden");
}

LossHead::Chunk LossHead::project(const WeightLease& weights, const DeviceBatch& batch,
                                  ConstMatrixView norm_out, std::int64_t first,
                                  std::int64_t count) const {
  Ops& ops = context_.runtime.ops();
  const Chunk chunk{first, count, context_.view(rows_, count, norm_out.cols),
                    context_.view(logits_, count, context_.sizes.vocab_rows)};
  ops.gather_rows(norm_out, batch.loss_rows + first, chunk.rows);
  head_.forward(weights, chunk.rows, chunk.logits);
  return chunk;
}

void LossHead::compute_loss(const DeviceBatch& batch, const Chunk& chunk) const {
  const LocalSizes& sizes = context_.sizes;
  Device& device = context_.runtime.device;
  Ops& ops = context_.runtime.ops();
  ops.cross_entropy_partials(chunk.logits, sizes.vocab_valid, batch.targets + chunk.first,
                             sizes.vocab_begin, partials_);
  if (sizes.tp > 1) {
    context_.runtime.exposed_comm->timed([&] {
      context_.runtime.comms[Group::tp].all_gather(partials_, all_partials_,
                                                   chunk.count * kCrossEntropyPartials, DType::f32,
                                                   "head.gather_softmax", device.compute_stream());
    });
  }
  ops.cross_entropy_combine(sizes.tp > 1 ? all_partials_ : partials_, sizes.tp, chunk.count,
                            nll_ + chunk.first, lse_);
}

void LossHead::forward(const WeightLease& weights, const DeviceBatch& batch,
                       ConstMatrixView hidden) const {
  const ConstMatrixView norm_out = norm_and_gather(weights, hidden);
  for (std::int64_t first = 0; first < batch.loss_row_count; first += chunk_rows_) {
    const std::int64_t count = std::min(chunk_rows_, batch.loss_row_count - first);
    compute_loss(batch, project(weights, batch, norm_out, first, count));
  }
}

MatrixView LossHead::logits(const WeightLease& weights, const DeviceBatch& batch,
                            ConstMatrixView hidden, std::int64_t first, std::int64_t count) const {
  return project(weights, batch, norm_and_gather(weights, hidden), first, count).logits;
}

void LossHead::forward_backward(const WeightLease& weights, const DeviceBatch& batch,
                                ConstMatrixView hidden, MatrixView d_hidden,
                                GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  Runtime& runtime = context_.runtime;
  Device& device = runtime.device;
  Ops& ops = runtime.ops();
  const TokenCounts tokens(batch.stream_tokens, sizes);

  const ConstMatrixView norm_out = norm_and_gather(weights, hidden);
  // With TP 1 the gradient of the norm's output lies in d_norm_out, else it is summed from
  // `partial`.
  const HiddenScratch& shared = context_.scratch;
  const MatrixView d_norm_out = context_.view(shared.d_norm_out, tokens.sp, sizes.hidden);
  const MatrixView d_local =
      context_.sp_comm.unreduced(d_norm_out, shared.partial, tokens.cp_local);
  device.fill_zero(d_local.data, d_local.bytes(), device.compute_stream());
  for (std::int64_t first = 0; first < batch.loss_row_count; first += chunk_rows_) {
    const std::int64_t count = std::min(chunk_rows_, batch.loss_row_count - first);
    const Chunk chunk = project(weights, batch, norm_out, first, count);
    compute_loss(batch, chunk);
    ops.cross_entropy_backward(chunk.logits, sizes.vocab_valid, batch.targets + first,
                               sizes.vocab_begin, batch.target_weights + first, lse_);
    const MatrixView d_rows = context_.view(d_rows_, count, sizes.hidden);
    head_.backward_input(weights, chunk.logits, d_rows);
    head_.backward_weight(chunk.logits, chunk.rows, sink);
    ops.scatter_rows(d_rows, batch.loss_rows + first, d_local);
  }
  context_.sp_comm.reduce_scatter(d_local, d_norm_out, "head.reduce_d_hidden");
  ops.rms_norm_backward(d_norm_out, hidden, 1, weights.data(final_norm_), inv_rms_, d_hidden,
                        AccumulateMode::overwrite, sink.gradient(final_norm_).as<float>());
}

}  // namespace longhaul
