#pragma once

#include <cstdint>

#include "core/tensor/attention_shape.h"
#include "model/model_config.h"
#include "model/parameter_table.h"

namespace longhaul {

/// Sizes of one rank's part of the model.
struct LocalSizes {
  int tp = 1;
  int cp = 1;
  std::int64_t layers = 0;
  std::int64_t hidden = 0;   // H
  std::int64_t q_cols = 0;   // heads * head_dim of this rank
  std::int64_t kv_cols = 0;  // key/value heads * head_dim of this rank, K or V alone
  std::int64_t ffn = 0;      // columns of the MLP of this rank
  std::int64_t vocab_begin = 0;
  std::int64_t vocab_rows = 0;   // of this rank, padding included
  std::int64_t vocab_valid = 0;  // of those, the real ones
  AttentionHeads heads;
  bool qk_norm = false;
  float epsilon = 1e-6F;

  LocalSizes(const ModelConfig& config, const ProcessGrid& grid, const ParameterTable& table);
};

/// Tokens of one micro-batch at the three granularities of context and sequence parallelism.
struct TokenCounts {
  std::int64_t global = 0;    // T, of all CP ranks: the stream that K and V are gathered to
  std::int64_t cp_local = 0;  // T / cp: attention, MLP
  std::int64_t sp = 0;        // T / (cp * tp): between them, and norms

  TokenCounts() = default;
  TokenCounts(std::int64_t stream_tokens, const LocalSizes& sizes)
      : global(stream_tokens), cp_local(global / sizes.cp), sp(cp_local / sizes.tp) {}
};

}  // namespace longhaul
