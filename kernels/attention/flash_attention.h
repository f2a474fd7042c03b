#pragma once

// Attention over segments with the scores kept on chip, in plain tensor-core instructions (mma.sync
// with BF16 operands and FP32 accumulators, ldmatrix, cp.async), which sm_80 and newer have. A
// block of threads takes up to 178 KiB of shared memory: fine on an H100, more than an A100 has.
//
// Same results every time: the forward and the dQ kernel own a block of queries, the dK/dV kernel
// owns a block of keys, each element of an output is written by one thread, and nothing is added in
// an order that depends on timing. The price is that the backward pass multiplies seven matrices
// where five would do, because the scores are made twice.
//
// Any head_dim up to 256, any number of query heads on a key/value head. Queries of two segments
// must not overlap. With head_dim and every stride a multiple of 8 elements and every pointer
// aligned to 16 bytes, memory is read in 16-byte packs; otherwise element by element, which is
// right, and slow.

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor/attention_shape.h"

namespace longhaul::kernels {

/// Which blocks the kernels work on, longest first. It depends on the segments alone, so one plan
/// serves all layers, and the forward and the backward pass.
struct FlashAttentionPlan {
  /// To be copied to device memory as it is, aligned to 16 bytes; at most
  /// flash_attention_metadata_bytes() of flash_attention_sizes.h.
  std::vector<std::int32_t> metadata;
  std::int64_t query_tiles = 0;
  std::int64_t key_blocks = 0;
  std::int64_t segments = 0;
};

/// Overwrites `plan`, whose memory is used again. Segments as in core/tensor/attention_shape.h, in
/// any order; any of them may share keys.
void plan_flash_attention(std::span<const AttentionSegment> segments, FlashAttentionPlan& plan);

/// Strides are in elements, between the starts of two rows.
struct FlashAttentionForward {
  AttentionHeads heads;
  std::int64_t q_rows = 0;             // Tq
  const __nv_bfloat16* q = nullptr;    // [Tq, heads * D]
  const __nv_bfloat16* k = nullptr;    // [Tkv, kv_heads * D]
  const __nv_bfloat16* v = nullptr;    // [Tkv, kv_heads * D]
  __nv_bfloat16* o = nullptr;          // [Tq, heads * D], overwritten in the segments' rows
  float* lse = nullptr;                // [heads, Tq] fp32, contiguous; overwritten likewise.
                                       // Natural logarithm of the sum of exp(scaled scores)
  const std::int32_t* plan = nullptr;  // the plan's metadata in device memory
  std::int64_t q_stride = 0;
  std::int64_t k_stride = 0;
  std::int64_t v_stride = 0;
  std::int64_t o_stride = 0;
};

void flash_attention_forward(const FlashAttentionForward& call, const FlashAttentionPlan& plan,
                             cudaStream_t stream);

enum class FlashAttentionWrite : std::uint8_t {
  overwrite_bf16,  // no two segments share a key
  accumulate_f32,
};

struct FlashAttentionBackward {
  AttentionHeads heads;
  std::int64_t q_rows = 0;             // Tq
  const __nv_bfloat16* q = nullptr;    // [Tq, heads * D]
  const __nv_bfloat16* k = nullptr;    // [Tkv, kv_heads * D]
  const __nv_bfloat16* v = nullptr;    // [Tkv, kv_heads * D]
  const __nv_bfloat16* o = nullptr;    // [Tq, heads * D], of the forward pass
  const float* lse = nullptr;          // [heads, Tq] fp32, of the forward pass
  const __nv_bfloat16* d_o = nullptr;  // [Tq, heads * D]
  __nv_bfloat16* dq = nullptr;         // [Tq, heads * D], overwritten in the segments' rows
  void* dk = nullptr;                  // [Tkv, kv_heads * D], bf16 overwritten or fp32
  void* dv = nullptr;                  //   accumulated, in the rows of the segments' keys
  FlashAttentionWrite write_dkv = FlashAttentionWrite::accumulate_f32;
  const std::int32_t* plan = nullptr;  // the plan's metadata in device memory
  void* workspace = nullptr;           // flash_attention_workspace_bytes(), overwritten
  std::size_t workspace_bytes = 0;
  std::int64_t q_stride = 0;
  std::int64_t k_stride = 0;
  std::int64_t v_stride = 0;
  std::int64_t o_stride = 0;
  std::int64_t d_o_stride = 0;
  std::int64_t dq_stride = 0;
  std::int64_t dk_stride = 0;
  std::int64_t dv_stride = 0;
};

void flash_attention_backward(const FlashAttentionBackward& call, const FlashAttentionPlan& plan,
                              cudaStream_t stream);

}  // namespace longhaul::kernels
