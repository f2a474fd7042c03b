#include "model/embedding.h"

#include "model/sequence_parallel_comm.h"

namespace longhaul {

Embedding::Embedding(const ModelContext& context)
    : context_(context), embedding_(context.table.find(ParameterRole::embedding)) {}

void Embedding::forward(const DeviceBatch& batch, const LayerScratch& s, MatrixView output) const {
  const LocalSizes& sizes = context_.sizes;
  const TokenCounts tokens(batch.stream_tokens, sizes);
  Runtime& runtime = context_.runtime;
  const MatrixView partial = context_.exchange.summand(output, s.partial, tokens.local);
  runtime.ops().embedding_forward(batch.ids, context_.weights.matrix(embedding_), sizes.vocab_begin,
                                  partial);
  context_.exchange.reduce_scatter(partial, output, "embedding.reduce");
}

void Embedding::backward(const DeviceBatch& batch, const LayerScratch& s, ConstMatrixView d_hidden,
                         GradientSink& sink) const {
  const ConstMatrixView d_output =
      context_.exchange.gather(d_hidden, s.gathered, "embedding.gather_d_output");
  context_.runtime.ops().embedding_backward(batch.ids, d_output, context_.sizes.vocab_begin,
                                            sink.gradient(embedding_));
}

}  // namespace longhaul
