#pragma once

// The two large kernels of the attention's backward pass, and what they share. With P = exp(scaled
// scores - lse) and delta = sum over the head of o * d_o:
//   dV = P^T dO,  dS = P (dO V^T - delta),  dQ = scale dS K,  dK = scale dS^T Q

#include <cuda_runtime_api.h>

#include "kernels/attention/flash_attention.h"
#include "kernels/attention/flash_attention_plan.h"

namespace longhaul::kernels::flash {

struct BackwardPass {
  FlashAttentionBackward call;
  PlanArrays plan;
  std::int64_t query_tiles;
  std::int64_t key_blocks;
  int group;           // query heads on a key/value head
  float scale_log2;    // scale * log2(e)
  const float* delta;  // [heads, Tq] fp32
  // With more than one part, the query heads of a group are divided among them, and the parts of dk
  // and dv go to [parts, key_blocks, kv_heads, kKeyBlock, head_dim] fp32 instead of dk and dv.
  int parts;
  float* dk_parts;  // overwritten
  float* dv_parts;  // overwritten
};

/// Overwrites dq in the segments' rows.
void launch_backward_dq(const BackwardPass& pass, Access access, cudaStream_t stream);
/// Writes dk and dv, or their parts.
void launch_backward_dkv(const BackwardPass& pass, Access access, cudaStream_t stream);

}  // namespace longhaul::kernels::flash
