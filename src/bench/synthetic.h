#pragma once

#include <cstdint>
#include <vector>

#include "comm/process_grid.h"
#include "data/batches/micro_batch.h"
#include "train/weight_source.h"

namespace longhaul::bench {

/// Random weights of the usual size: matrices and biases of deviation 0.02, norms 1. Values depend
/// on the tensor's name and the element's place alone, so that every layout gets the same model.
class SyntheticWeights final : public WeightSource {
 public:
  void read(const LogicalTensor& tensor, const TensorSlice& slice, float* out) const override;
};

/// Token i of stream g of a step (g counts the micro-batches of all data-parallel ranks):
/// random_bits(0, g * 2^32 + i) modulo the vocabulary. Programs that are measured against this one
/// can make the same.
std::int32_t synthetic_token(std::int64_t stream, std::int64_t i, std::int64_t vocabulary);

/// Micro-batches with random tokens in documents of given lengths, the same every step.
class SyntheticBatches {
 public:
  /// loss_share: of the tokens after each document's first, evenly spread, those that carry loss.
  SyntheticBatches(std::vector<std::int64_t> lengths, std::int64_t micro_batches, double loss_share,
                   std::int64_t vocabulary, const ProcessGrid& grid);

  /// Of a micro-batch's stream, padded as the layout needs it.
  [[nodiscard]] std::int64_t stream_tokens(const ParallelLayout& layout) const;
  /// This rank's micro-batch number `index` of a step; good until the next call.
  const MicroBatch& build(std::int64_t index);

 private:
  const ProcessGrid& grid_;
  std::vector<std::int64_t> lengths_;
  std::int64_t tokens_;
  std::vector<std::int32_t> ids_;  // [micro_batches, tokens]
  std::vector<float> weights_;     // [tokens]
  std::vector<Document> documents_;
  MicroBatch batch_;
};

}  // namespace longhaul::bench
