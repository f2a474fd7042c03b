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

LossHead::LossHead(const ModelContext& context, std::int64_t max_tokens, Arena& arena)
    : context_(context), final_norm_(context.table.find(ParameterRole::final_norm)) {
  const LocalSizes& sizes = context.sizes;
  const int own_head = context.table.find(ParameterRole::lm_head);
  head_ = own_head >= 0 ? own_head : context.table.find(ParameterRole::embedding);

  const TokenCounts tokens(max_tokens, sizes);
  const auto width = static_cast<std::int64_t>(size_of(context.dtype()));
  chunk_rows_ = chunk_rows(sizes, context.dtype(), tokens.local);
  const auto activation = [&](std::int64_t rows, std::int64_t cols, const char* label) {
    return arena.allocate(static_cast<std::size_t>(rows * cols * width), label);
  };
  normed_ = activation(tokens.sharded, sizes.hidden, "final norm");
  inv_rms_ = arena.allocate_array<float>(tokens.sharded, "final norm statistics");
  rows_ = activation(chunk_rows_, sizes.hidden, "loss rows");
  d_rows_ = activation(chunk_rows_, sizes.hidden, "loss row gradients");
  logits_ = activation(chunk_rows_, sizes.vocab_rows, "logits");
  partials_ = arena.allocate_array<float>(chunk_rows_ * kCrossEntropyPartials, "softmax partials");
  all_partials_ = arena.allocate_array<float>(sizes.tp * chunk_rows_ * kCrossEntropyPartials,
                                              "gathered softmax partials");
  lse_ = arena.allocate_array<float>(chunk_rows_, "log-sum-exp of logits");
  nll_ = arena.allocate_array<float>(tokens.local, "negative log-likelihoods");
}

ConstMatrixView LossHead::norm_and_gather(const LayerScratch& s, ConstMatrixView hidden) const {
  const MatrixView normed = context_.view(normed_, hidden.rows, hidden.cols);
  context_.runtime.backend.rms_norm_forward(hidden, 1, context_.weights.data(final_norm_),
                                            context_.sizes.epsilon, normed, inv_rms_);
  return context_.exchange.gather(normed, s.gathered, "head.gather_hidden");
}

LossHead::Chunk LossHead::project(const DeviceBatch& batch, ConstMatrixView normed,
                                  std::int64_t first, std::int64_t count) const {
  Backend& backend = context_.runtime.backend;
  const Chunk chunk{first, count, context_.view(rows_, count, normed.cols),
                    context_.view(logits_, count, context_.sizes.vocab_rows)};
  backend.gather_rows(normed, batch.loss_rows + first, chunk.rows);
  backend.linear_forward(chunk.rows, context_.weights.matrix(head_), nullptr, {}, chunk.logits);
  return chunk;
}

void LossHead::compute_loss(const DeviceBatch& batch, const Chunk& chunk) const {
  const LocalSizes& sizes = context_.sizes;
  Backend& backend = context_.runtime.backend;
  backend.cross_entropy_partials(chunk.logits, sizes.vocab_valid, batch.targets + chunk.first,
                                 sizes.vocab_begin, partials_);
  if (sizes.tp > 1) {
    context_.runtime.exposed_comm->timed([&] {
      context_.runtime.comms[Group::tp].all_gather(partials_, all_partials_,
                                                   chunk.count * kCrossEntropyPartials, DType::f32,
                                                   "head.gather_softmax", backend.compute_stream());
    });
  }
  backend.cross_entropy_combine(sizes.tp > 1 ? all_partials_ : partials_, sizes.tp, chunk.count,
                                nll_ + chunk.first, lse_);
}

void LossHead::forward(const DeviceBatch& batch, const LayerScratch& s,
                       ConstMatrixView hidden) const {
  const ConstMatrixView normed = norm_and_gather(s, hidden);
  for (std::int64_t first = 0; first < batch.loss_row_count; first += chunk_rows_) {
    const std::int64_t count = std::min(chunk_rows_, batch.loss_row_count - first);
    compute_loss(batch, project(batch, normed, first, count));
  }
}

MatrixView LossHead::logits(const DeviceBatch& batch, const LayerScratch& s, ConstMatrixView hidden,
                            std::int64_t first, std::int64_t count) const {
  return project(batch, norm_and_gather(s, hidden), first, count).logits;
}

void LossHead::forward_backward(const DeviceBatch& batch, const LayerScratch& s,
                                ConstMatrixView hidden, MatrixView d_hidden,
                                GradientSink& sink) const {
  const LocalSizes& sizes = context_.sizes;
  Runtime& runtime = context_.runtime;
  Backend& backend = runtime.backend;
  const TokenCounts tokens(batch.stream_tokens, sizes);

  const ConstMatrixView normed = norm_and_gather(s, hidden);
  // With TP 1 the gradient of the normed hidden lies in d_normed, else summed from s.partial.
  const MatrixView d_normed = context_.view(s.d_normed, tokens.sharded, sizes.hidden);
  const MatrixView d_local = context_.exchange.summand(d_normed, s.partial, tokens.local);
  backend.fill_zero(d_local.data, d_local.bytes(), backend.compute_stream());
  for (std::int64_t first = 0; first < batch.loss_row_count; first += chunk_rows_) {
    const std::int64_t count = std::min(chunk_rows_, batch.loss_row_count - first);
    const Chunk chunk = project(batch, normed, first, count);
    compute_loss(batch, chunk);
    backend.cross_entropy_backward(chunk.logits, sizes.vocab_valid, batch.targets + first,
                                   sizes.vocab_begin, batch.target_weights + first, lse_);
    const MatrixView d_rows = context_.view(d_rows_, count, sizes.hidden);
    backend.linear_backward_input(chunk.logits, context_.weights.matrix(head_), d_rows,
                                  AccumulateMode::overwrite);
    accumulate_linear_gradient(context_, sink, chunk.logits, chunk.rows, head_, -1);
    backend.scatter_rows(d_rows, batch.loss_rows + first, d_local);
  }
  context_.exchange.reduce_scatter(d_local, d_normed, "head.reduce_d_hidden");
  backend.rms_norm_backward(d_normed, hidden, 1, context_.weights.data(final_norm_), inv_rms_,
                            d_hidden, AccumulateMode::overwrite,
                            sink.gradient(final_norm_).as<float>());
}

}  // namespace longhaul
