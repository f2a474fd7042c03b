#include "core/cuda_check.h"
#include "kernels/adamw.h"
#include "kernels/support/launch_shape.cuh"
#include "kernels/support/vector_io.cuh"

namespace longhaul::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kSteps = 2;  // units of every array in flight in a thread

struct Arrays {
  float* __restrict__ master;
  float* __restrict__ exp_avg;
  float* __restrict__ exp_avg_sq;
  const float* __restrict__ grad;
  __nv_bfloat16* __restrict__ weight;
};

/// kWidth consecutive elements of every array.
template <int kWidth>
struct State {
  float master[kWidth];
  float exp_avg[kWidth];
  float exp_avg_sq[kWidth];
  float grad[kWidth];
};

template <int kWidth>
__device__ __forceinline__ void load(const float* from, float (&to)[kWidth]) {
  if constexpr (kWidth == PackF32::kSize) {
    const PackF32 pack = load_pack_streaming(from);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) to[i] = pack.values[i];
  } else {
    static_assert(kWidth == 1);
    to[0] = __ldcs(from);
  }
}

template <int kWidth>
__device__ __forceinline__ void store(float* to, const float (&from)[kWidth]) {
  if constexpr (kWidth == PackF32::kSize) {
    PackF32 pack;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) pack.values[i] = from[i];
    store_pack_streaming(to, pack);
  } else {
    __stcs(to, from[0]);
  }
}

template <int kWidth>
__device__ __forceinline__ void store_rounded(__nv_bfloat16* to, const float (&from)[kWidth]) {
  if constexpr (kWidth == PackF32::kSize) {
    struct alignas(8) Half {
      __nv_bfloat162 values[2];
    } half{{__floats2bfloat162_rn(from[0], from[1]), __floats2bfloat162_rn(from[2], from[3])}};
    *reinterpret_cast<uint2*>(to) = *reinterpret_cast<const uint2*>(&half);
  } else {
    *to = __float2bfloat16_rn(from[0]);
  }
}

template <int kWidth>
__device__ __forceinline__ State<kWidth> load_state(const Arrays& arrays, std::int64_t at) {
  State<kWidth> state;
  load(arrays.grad + at, state.grad);
  load(arrays.exp_avg + at, state.exp_avg);
  load(arrays.exp_avg_sq + at, state.exp_avg_sq);
  load(arrays.master + at, state.master);
  return state;
}

template <int kWidth>
__device__ __forceinline__ void update_and_store(const Arrays& arrays, const AdamWScalars& s,
                                                 State<kWidth>& state, std::int64_t at) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const float g = state.grad[i] * s.grad_scale;
    const float m = state.exp_avg[i] * s.beta1 + g * s.one_minus_beta1;
    const float v = state.exp_avg_sq[i] * s.beta2 + g * g * s.one_minus_beta2;
    const float p = state.master[i];
    const float direction = __fdiv_rn(m * s.inv_bias1, __fsqrt_rn(v * s.inv_bias2) + s.epsilon);
    state.exp_avg[i] = m;
    state.exp_avg_sq[i] = v;
    state.master[i] = p - (direction + p * s.weight_decay) * s.learning_rate;
  }
  store(arrays.exp_avg + at, state.exp_avg);
  store(arrays.exp_avg_sq + at, state.exp_avg_sq);
  store(arrays.master + at, state.master);
  store_rounded(arrays.weight + at, state.master);
}

/// A block updates kSteps * kThreads units of kWidth elements; the first one also the last
/// count % kWidth elements.
template <int kWidth>
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(Arrays arrays, AdamWScalars scalars, std::int64_t count) {
  const std::int64_t units = count / kWidth;
  const std::int64_t first =
      static_cast<std::int64_t>(blockIdx.x) * kSteps * kThreads + threadIdx.x;
  State<kWidth> states[kSteps];
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const std::int64_t unit = first + step * kThreads;
    if (unit < units) states[step] = load_state<kWidth>(arrays, unit * kWidth);
  }
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const std::int64_t unit = first + step * kThreads;
    if (unit < units) update_and_store(arrays, scalars, states[step], unit * kWidth);
  }
  if constexpr (kWidth > 1) {
    const std::int64_t rest = units * kWidth + threadIdx.x;
    if (blockIdx.x == 0 && rest < count) {
      State<1> state = load_state<1>(arrays, rest);
      update_and_store(arrays, scalars, state, rest);
    }
  }
}

}  // namespace

void adamw(const AdamWStep& step, cudaStream_t stream) {
  LONGHAUL_CHECK(step.count >= 0, "adamw: {} elements", step.count);
  if (step.count == 0) return;
  const AdamWScalars scalars = adamw_scalars(step);
  const Arrays arrays{step.master, step.exp_avg, step.exp_avg_sq, step.grad,
                      static_cast<__nv_bfloat16*>(step.weight)};
  const auto address = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p); };
  const bool aligned = (address(step.master) | address(step.exp_avg) | address(step.exp_avg_sq) |
                        address(step.grad)) %
                               16 ==
                           0 &&
                       address(step.weight) % 8 == 0;
  const auto run = [&](auto kernel, int width) {
    const std::int64_t units = ceil_div(step.count, width);
    kernel<<<static_cast<unsigned>(ceil_div(units, kSteps * kThreads)), kThreads, 0, stream>>>(
        arrays, scalars, step.count);
  };
  if (aligned) {
    run(adamw_kernel<PackF32::kSize>, PackF32::kSize);
  } else {
    run(adamw_kernel<1>, 1);
  }
  LONGHAUL_CUDA_CHECK_LAUNCH("adamw");
}

}  // namespace longhaul::kernels
