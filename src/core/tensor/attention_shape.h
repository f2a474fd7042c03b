#pragma once

#include <cstdint>

namespace longhaul {

/// Heads of this rank. Query head h uses key/value head h / (num_q_heads / num_kv_heads).
struct AttentionHeads {
  int num_q_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  float scale = 0.0F;  // applied to q . k, usually 1 / sqrt(head_dim)
};

/// A run of consecutive queries of one document and the keys they may see. Causal, aligned at the
/// bottom right: query row i (0-based within the segment) sees the first kv_len - q_len + i + 1
/// keys. Queries are rows of the local stream, keys rows of the gathered stream; kv_len >= q_len
/// >= 1.
struct AttentionSegment {
  std::int32_t q_begin;
  std::int32_t q_len;
  std::int32_t kv_begin;
  std::int32_t kv_len;
};

}  // namespace longhaul
