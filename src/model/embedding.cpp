#include "model/embedding.h"

namespace longhaul {

Embedding::Embedding(const ModelContext& context)
    : context_(context),
      embedding_(context.table.find(ParameterRole::embedding, Unit::embedding())) {}

void Embedding::forward(const WeightLease& weights, const DeviceBatch& batch,
                        MatrixView output) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens(batch.stream_tokens, sizes);
  const MatrixView looked_up =
      context_.sp_comm.unreduced(output, context_.scratch.partial, tokens.cp_local);
  context_.runtime.ops().embedding_forward(batch.ids, weights.matrix(embedding_), sizes.vocab_begin,
                                           looked_up);
  context_.sp_comm.reduce_scatter(looked_up, output, "embedding.reduce");
}

void Embedding::backward(const DeviceBatch& batch, ConstMatrixView d_hidden,
                         GradientSink& sink) const {
  const ConstMatrixView d_output =
      context_.sp_comm.gather(d_hidden, context_.scratch.gathered, "embedding.gather_d_output");
  context_.runtime.ops().embedding_backward(batch.ids, d_output, context_.sizes.vocab_begin,
                                            sink.gradient(embedding_));
}

}  // namespace longhaul
