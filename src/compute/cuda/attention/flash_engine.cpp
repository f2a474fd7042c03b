#include "compute/cuda/attention/flash_engine.h"

#include <algorithm>

#include "compute/cuda/attention/flash_workspace.h"

namespace longhaul::cuda {
namespace {

/// What the calls of both directions have in common.
template <typename Call>
void set_inputs(Call& call, ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                const AttentionHeads& heads) {
  call.heads = heads;
  call.q_rows = q.rows;
  call.q = q.as<__nv_bfloat16>();
  call.k = k.as<__nv_bfloat16>();
  call.v = v.as<__nv_bfloat16>();
  call.q_stride = q.stride;
  call.k_stride = k.stride;
  call.v_stride = v.stride;
}

bool same(const AttentionSegment& a, const AttentionSegment& b) {
  return a.q_begin == b.q_begin && a.q_len == b.q_len && a.kv_begin == b.kv_begin &&
         a.kv_len == b.kv_len;
}

}  // namespace

void FlashEngine::set_workspace(const WorkspaceShape& /*shape*/, void* data, std::size_t bytes) {
  workspace_ = static_cast<std::byte*>(data);
  workspace_bytes_ = bytes;
  plan_on_device_ = false;
}

std::size_t FlashEngine::plan_bytes() const {
  return flash_aligned(plan_.metadata.size() * sizeof(std::int32_t));
}

const std::int32_t* FlashEngine::device_plan(std::span<const AttentionSegment> segments,
                                             cudaStream_t stream) {
  const bool known =
      std::equal(segments.begin(), segments.end(), planned_.begin(), planned_.end(), same);
  if (!known) {
    kernels::plan_flash_attention(segments, plan_);
    planned_.assign(segments.begin(), segments.end());
  }
  const std::size_t bytes = plan_.metadata.size() * sizeof(std::int32_t);
  LONGHAUL_CHECK(workspace_bytes_ >= bytes,
                 "attention: the workspace has {} bytes and its plan alone needs {}",
                 workspace_bytes_, bytes);
  if (known && plan_on_device_) return reinterpret_cast<const std::int32_t*>(workspace_);
  ring_.copy_to_device(workspace_, plan_.metadata.data(), bytes, stream);
  plan_on_device_ = true;
  return reinterpret_cast<const std::int32_t*>(workspace_);
}

void FlashEngine::forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                          std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                          MatrixView o, float* lse, cudaStream_t stream) {
  if (segments.empty()) return;
  kernels::FlashAttentionForward call;
  call.plan = device_plan(segments, stream);
  set_inputs(call, q, k, v, heads);
  call.o = o.as<__nv_bfloat16>();
  call.lse = lse;
  call.o_stride = o.stride;
  kernels::flash_attention_forward(call, plan_, stream);
}

void FlashEngine::backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                           ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                           std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                           MatrixView dq, MatrixView dk, MatrixView dv, AccumulateMode write_dkv,
                           cudaStream_t stream) {
  if (segments.empty()) return;
  kernels::FlashAttentionBackward call;
  call.plan = device_plan(segments, stream);
  set_inputs(call, q, k, v, heads);
  call.o = o.as<__nv_bfloat16>();
  call.lse = lse;
  call.d_o = d_o.as<__nv_bfloat16>();
  call.dq = dq.as<__nv_bfloat16>();
  call.dk = dk.data;
  call.dv = dv.data;
  call.write_dkv = write_dkv == AccumulateMode::overwrite
                       ? kernels::FlashAttentionWrite::overwrite_bf16
                       : kernels::FlashAttentionWrite::accumulate_f32;
  call.o_stride = o.stride;
  call.d_o_stride = d_o.stride;
  call.dq_stride = dq.stride;
  call.dk_stride = dk.stride;
  call.dv_stride = dv.stride;
  const std::size_t used = plan_bytes();
  LONGHAUL_CHECK(workspace_bytes_ >= used, "attention: the workspace has {} bytes, its plan {}",
                 workspace_bytes_, used);
  call.workspace = workspace_ + used;
  call.workspace_bytes = workspace_bytes_ - used;
  kernels::flash_attention_backward(call, plan_, stream);
}

}  // namespace longhaul::cuda
