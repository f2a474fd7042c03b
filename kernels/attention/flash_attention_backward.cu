#include "core/rounding.h"
#include "kernels/attention/flash_attention.h"
#include "kernels/attention/flash_attention_backward.h"
#include "kernels/attention/flash_attention_launch.cuh"
#include "kernels/support/reduce.cuh"
#include "kernels/support/vector_io.cuh"

namespace longhaul::kernels {
namespace {

using namespace flash;  // NOLINT(google-build-using-namespace): this op's own parts

constexpr int kThreads = 256;

struct DeltaParams {
  const __nv_bfloat16* o;    // [Tq, heads * D]
  const __nv_bfloat16* d_o;  // [Tq, heads * D]
  std::int64_t o_stride;
  std::int64_t d_o_stride;
  std::int64_t q_rows;
  int heads;
  int head_dim;
  float* delta;  // [heads, Tq] fp32, overwritten
};

/// delta = sum over the head of o * d_o; a warp for each row and head.
template <Access kAccess>
__global__ __launch_bounds__(kThreads) void delta_kernel(const __grid_constant__ DeltaParams p) {
  const std::int64_t number = std::int64_t{blockIdx.x} * (kThreads / kLanes) + threadIdx.x / kLanes;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  if (number >= p.q_rows * p.heads) return;
  const std::int64_t row = number / p.heads;
  const std::int64_t head = number % p.heads;
  const __nv_bfloat16* const o = p.o + row * p.o_stride + head * p.head_dim;
  const __nv_bfloat16* const d_o = p.d_o + row * p.d_o_stride + head * p.head_dim;
  float sum = 0.0F;
  if constexpr (kAccess == Access::packs) {
    static_assert(kMaxHeadDim <= kLanes * PackBf16::kSize, "one pack for each lane");
    if (lane * PackBf16::kSize < p.head_dim) {
      const PackBf16 a = load_pack(o + lane * PackBf16::kSize);
      const PackBf16 b = load_pack(d_o + lane * PackBf16::kSize);
#pragma unroll
      for (int i = 0; i < PackBf16::kSize; ++i) {
        sum = fmaf(to_float(a.values[i]), to_float(b.values[i]), sum);
      }
    }
  } else {
    for (int i = lane; i < p.head_dim; i += kLanes)
      sum = fmaf(to_float(o[i]), to_float(d_o[i]), sum);
  }
  sum = warp_sum(sum);
  if (lane == 0) p.delta[head * p.q_rows + row] = sum;
}

/// Blocks of threads that share one key block of one head in sum_parts_kernel.
constexpr int kSumSlices = 8;

/// dk and dv from their parts, added in the parts' order.
template <FlashAttentionWrite kWrite>
__global__ __launch_bounds__(kThreads) void sum_parts_kernel(
    const __grid_constant__ BackwardPass pass) {
  const FlashAttentionBackward& call = pass.call;
  const int kv_heads = call.heads.num_kv_heads;
  const int head_dim = call.heads.head_dim;
  const int slice = static_cast<int>(blockIdx.x) % kSumSlices;
  const int kv_head = static_cast<int>(blockIdx.x) / kSumSlices % kv_heads;
  const int block_number = static_cast<int>(blockIdx.x) / kSumSlices / kv_heads;
  const KeyBlock block = pass.plan.key_blocks[block_number];
  const std::int64_t from =
      (std::int64_t{block_number} * kv_heads + kv_head) * kKeyBlock * head_dim;
  const std::int64_t part_size = pass.key_blocks * kv_heads * kKeyBlock * head_dim;

  const auto sum = [&](const float* parts, void* to, std::int64_t stride, int i) {
    float value = 0.0F;
#pragma unroll 4
    for (int part = 0; part < pass.parts; ++part) value += parts[part * part_size + from + i];
    const std::int64_t at = (std::int64_t{block.begin} + i / head_dim) * stride +
                            std::int64_t{kv_head} * head_dim + i % head_dim;
    if constexpr (kWrite == FlashAttentionWrite::accumulate_f32) {
      static_cast<float*>(to)[at] += value;
    } else {
      static_cast<__nv_bfloat16*>(to)[at] = __float2bfloat16_rn(value);
    }
  };
  for (int i = slice * kThreads + static_cast<int>(threadIdx.x); i < block.count * head_dim;
       i += kSumSlices * kThreads) {
    sum(pass.dk_parts, call.dk, call.dk_stride, i);
    sum(pass.dv_parts, call.dv, call.dv_stride, i);
  }
}

void launch_delta(const FlashAttentionBackward& call, Access access, float* delta,
                  cudaStream_t stream) {
  const DeltaParams params{call.o,
                           call.d_o,
                           call.o_stride,
                           call.d_o_stride,
                           call.q_rows,
                           call.heads.num_q_heads,
                           call.heads.head_dim,
                           delta};
  constexpr std::int64_t kWarps = kThreads / kLanes;
  const std::int64_t blocks = ceil_div(call.q_rows * call.heads.num_q_heads, kWarps);
  auto* const kernel =
      access == Access::packs ? &delta_kernel<Access::packs> : &delta_kernel<Access::elements>;
  launch_kernel(kernel, params, blocks, kThreads, 0, stream, "flash_attention_backward delta");
}

void launch_sum_parts(const BackwardPass& pass, cudaStream_t stream) {
  const std::int64_t blocks = pass.key_blocks * pass.call.heads.num_kv_heads * kSumSlices;
  auto* const kernel = pass.call.write_dkv == FlashAttentionWrite::accumulate_f32
                           ? &sum_parts_kernel<FlashAttentionWrite::accumulate_f32>
                           : &sum_parts_kernel<FlashAttentionWrite::overwrite_bf16>;
  launch_kernel(kernel, pass, blocks, kThreads, 0, stream, "flash_attention_backward sum");
}

}  // namespace

void flash_attention_backward(const FlashAttentionBackward& call, const FlashAttentionPlan& plan,
                              cudaStream_t stream) {
  const AttentionHeads& heads = call.heads;
  check_heads(heads);
  if (plan.query_tiles == 0) return;
  const int parts = key_block_parts(plan.key_blocks, heads);
  const std::int64_t part_count = parts > 1 ? plan.key_blocks * heads.num_kv_heads * parts : 0;
  const std::size_t for_delta = delta_bytes(call.q_rows, heads);
  const std::size_t for_parts = parts_bytes(part_count, heads);
  LONGHAUL_CHECK(call.workspace_bytes >= for_delta + for_parts,
                 "flash_attention_backward: the workspace has {} bytes and needs {}",
                 call.workspace_bytes, for_delta + for_parts);
  auto* const delta = static_cast<float*>(call.workspace);
  float* const dk_parts = delta + for_delta / sizeof(float);
  float* const dv_parts = dk_parts + for_parts / sizeof(float) / 2;

  const std::int64_t dkv_bytes = call.write_dkv == FlashAttentionWrite::accumulate_f32 ? 4 : 2;
  const Access access = access_of(heads.head_dim, {{call.q, call.q_stride},
                                                   {call.k, call.k_stride},
                                                   {call.v, call.v_stride},
                                                   {call.o, call.o_stride},
                                                   {call.d_o, call.d_o_stride},
                                                   {call.dq, call.dq_stride},
                                                   {call.dk, call.dk_stride, dkv_bytes},
                                                   {call.dv, call.dv_stride, dkv_bytes}});
  const BackwardPass pass{call,
                          PlanArrays(call.plan, plan),
                          plan.query_tiles,
                          plan.key_blocks,
                          heads.num_q_heads / heads.num_kv_heads,
                          heads.scale * kLog2E,
                          delta,
                          parts,
                          dk_parts,
                          dv_parts};
  launch_delta(call, access, delta, stream);
  launch_backward_dkv(pass, access, stream);
  launch_backward_dq(pass, access, stream);
  if (parts > 1) launch_sum_parts(pass, stream);
}

}  // namespace longhaul::kernels
