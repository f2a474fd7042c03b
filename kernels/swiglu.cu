#include <cuda_bf16.h>

#include "core/cuda_check.h"
#include "kernels/support/unit.cuh"
#include "kernels/support/unit_grid.cuh"
#include "kernels/support/view_checks.cuh"
#include "kernels/swiglu.h"

namespace longhaul::kernels {
namespace {

using bf16 = __nv_bfloat16;

constexpr int kThreads = 256;
constexpr int kSteps = 2;

template <int kWidth>
using Grid = UnitGrid<kWidth, kThreads, kSteps>;

/// 1 / (1 + exp(-x)); 0 where the exponential overflows.
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0F, 1.0F + __expf(-x)); }

template <int kWidth>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const bf16* gate_up, std::int64_t gate_up_stride, std::int64_t width, bf16* act,
                   std::int64_t act_stride, Grid<kWidth> grid) {
  grid.run([&]<Block kBlock>() {
    Unit<bf16, kWidth> gates[kSteps];
    Unit<bf16, kWidth> ups[kSteps];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const UnitPlace at = grid.template place<kBlock>(step);
      const bf16* const from = gate_up + at.row * gate_up_stride + at.col;
      gates[step] = load_unit_streaming<kWidth>(from);
      ups[step] = load_unit_streaming<kWidth>(from + width);
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const UnitPlace at = grid.template place<kBlock>(step);
      float gate[kWidth];
      float up[kWidth];
      unpack(gates[step], gate);
      unpack(ups[step], up);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) up[i] *= gate[i] * sigmoid(gate[i]);
      if (grid.template has<kBlock>(step))
        store_unit(act + at.row * act_stride + at.col, pack<bf16>(up));
    }
  });
}

/// dgate_up may be gate_up: each unit is read before the same thread writes it.
template <int kWidth>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(bf16* dact, std::int64_t dact_stride, const bf16* gate_up,
                    std::int64_t gate_up_stride, std::int64_t width, bf16* dgate_up,
                    std::int64_t dgate_up_stride, Grid<kWidth> grid) {
  grid.run([&]<Block kBlock>() {
    Unit<bf16, kWidth> grads[kSteps];
    Unit<bf16, kWidth> gates[kSteps];
    Unit<bf16, kWidth> ups[kSteps];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const UnitPlace at = grid.template place<kBlock>(step);
      const bf16* const from = gate_up + at.row * gate_up_stride + at.col;
      grads[step] = load_unit_streaming<kWidth>(dact + at.row * dact_stride + at.col);
      gates[step] = load_unit_streaming<kWidth>(from);
      ups[step] = load_unit_streaming<kWidth>(from + width);
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const UnitPlace at = grid.template place<kBlock>(step);
      float grad[kWidth];
      float gate[kWidth];
      float up[kWidth];
      unpack(grads[step], grad);
      unpack(gates[step], gate);
      unpack(ups[step], up);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float d = grad[i];
        const float s = sigmoid(gate[i]);
        const float silu = gate[i] * s;
        grad[i] = silu * up[i];
        gate[i] = d * up[i] * (s + silu * (1.0F - s));  // silu' = s + g s (1 - s)
        up[i] = d * silu;
      }
      bf16* const to = dgate_up + at.row * dgate_up_stride + at.col;
      if (grid.template has<kBlock>(step)) {
        store_unit(dact + at.row * dact_stride + at.col, pack<bf16>(grad));
        store_unit(to, pack<bf16>(gate));
        store_unit(to + width, pack<bf16>(up));
      }
    }
  });
}

template <int kWidth>
void launch_forward(const ConstMatrixView& gate_up, const MatrixView& act, cudaStream_t stream) {
  const Grid<kWidth> grid(act.rows, act.cols);
  forward_kernel<kWidth><<<grid.blocks(), kThreads, 0, stream>>>(
      gate_up.as<bf16>(), gate_up.stride, act.cols, act.as<bf16>(), act.stride, grid);
}

template <int kWidth>
void launch_backward(const MatrixView& dact, const ConstMatrixView& gate_up,
                     const MatrixView& dgate_up, cudaStream_t stream) {
  const Grid<kWidth> grid(dact.rows, dact.cols);
  backward_kernel<kWidth><<<grid.blocks(), kThreads, 0, stream>>>(
      dact.as<bf16>(), dact.stride, gate_up.as<bf16>(), gate_up.stride, dact.cols,
      dgate_up.as<bf16>(), dgate_up.stride, grid);
}

}  // namespace

void swiglu_forward(ConstMatrixView gate_up, MatrixView act, cudaStream_t stream) {
  check_view(gate_up, DType::bf16, act.rows, 2 * act.cols, "swiglu_forward", "gate_up");
  check_view(act, DType::bf16, act.rows, act.cols, "swiglu_forward", "act");
  if (act.size() == 0) return;
  constexpr int kWidth = 8;
  if (act.cols % kWidth == 0 && is_aligned(gate_up, kWidth) && is_aligned(act, kWidth)) {
    launch_forward<kWidth>(gate_up, act, stream);
  } else {
    launch_forward<1>(gate_up, act, stream);
  }
  LONGHAUL_CUDA_CHECK_LAUNCH("swiglu_forward");
}

void swiglu_backward(MatrixView dact, ConstMatrixView gate_up, MatrixView dgate_up,
                     cudaStream_t stream) {
  check_view(dact, DType::bf16, dact.rows, dact.cols, "swiglu_backward", "dact");
  check_view(gate_up, DType::bf16, dact.rows, 2 * dact.cols, "swiglu_backward", "gate_up");
  check_view(dgate_up, DType::bf16, dact.rows, 2 * dact.cols, "swiglu_backward", "dgate_up");
  if (dact.size() == 0) return;
  constexpr int kWidth = 8;
  if (dact.cols % kWidth == 0 && is_aligned(dact, kWidth) && is_aligned(gate_up, kWidth) &&
      is_aligned(dgate_up, kWidth)) {
    launch_backward<kWidth>(dact, gate_up, dgate_up, stream);
  } else {
    launch_backward<1>(dact, gate_up, dgate_up, stream);
  }
  LONGHAUL_CUDA_CHECK_LAUNCH("swiglu_backward");
}

}  // namespace longhaul::kernels
