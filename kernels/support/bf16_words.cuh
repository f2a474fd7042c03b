#pragma once

// bf16 elements kept two to a register until they are needed. In arrays of __nv_bfloat16 each
// element takes a register of its own, which costs kernels with many loads in flight half of them.

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/support/vector_io.cuh"

namespace longhaul::kernels {

/// 16 bytes: eight bf16, the first in the low half of the first word.
using Bf16Words = Pack<std::uint32_t>;

inline constexpr int kBf16Pack = PackBf16::kSize;

__device__ __forceinline__ Bf16Words load_bf16_words(const __nv_bfloat16* address) {
  return load_pack(reinterpret_cast<const std::uint32_t*>(address));
}

/// For data that is read once.
__device__ __forceinline__ Bf16Words load_bf16_words_streaming(const __nv_bfloat16* address) {
  return load_pack_streaming(reinterpret_cast<const std::uint32_t*>(address));
}

__device__ __forceinline__ void store_bf16_words(__nv_bfloat16* address, const Bf16Words& words) {
  store_pack(reinterpret_cast<std::uint32_t*>(address), words);
}

/// Elements 2i and 2i + 1.
__device__ __forceinline__ float2 bf16_pair(const Bf16Words& words, int i) {
  const std::uint32_t word = words.values[i];
  return {__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000U)};
}

/// Rounded to nearest even.
__device__ __forceinline__ void set_bf16_pair(Bf16Words& words, int i, float2 pair) {
  const __nv_bfloat162 rounded = __floats2bfloat162_rn(pair.x, pair.y);
  words.values[i] = *reinterpret_cast<const std::uint32_t*>(&rounded);
}

}  // namespace longhaul::kernels
