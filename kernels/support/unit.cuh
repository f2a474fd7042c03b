#pragma once

// A few neighbouring elements as one register-wide word: what one thread moves with one access. The
// word stays whole until it is computed with. Elements in an array of 16-bit values would be taken
// apart as soon as they arrive, and the loads behind would wait for that.

#include <cuda_bf16.h>

#include <cstdint>
#include <cstring>

namespace longhaul::kernels {

template <int kBytes>
struct WordOf;
template <>
struct WordOf<2> {
  using Type = unsigned short;
};
template <>
struct WordOf<4> {
  using Type = unsigned int;
};
template <>
struct WordOf<8> {
  using Type = uint2;
};
template <>
struct WordOf<16> {
  using Type = uint4;
};

/// kWidth elements of T, float or __nv_bfloat16.
template <typename T, int kWidth>
struct Unit {
  using Word = typename WordOf<static_cast<int>(sizeof(T)) * kWidth>::Type;
  Word word{};
};

using Bf16x8 = Unit<__nv_bfloat16, 8>;

// Addresses are multiples of the unit's size. Loads are intrinsics and wide stores assembly because
// the compiler now and then takes a 16-byte access in the language apart.

__device__ __forceinline__ void store_word(unsigned short* to, unsigned short word) { *to = word; }
__device__ __forceinline__ void store_word(unsigned* to, unsigned word) { *to = word; }
__device__ __forceinline__ void store_word(uint2* to, uint2 word) {
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(to), "r"(word.x), "r"(word.y) : "memory");
}
__device__ __forceinline__ void store_word(uint4* to, uint4 word) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(word.x), "r"(word.y),
               "r"(word.z), "r"(word.w)
               : "memory");
}

/// Data that is read once: does not displace other lines from the caches.
template <int kWidth, typename T>
__device__ __forceinline__ Unit<T, kWidth> load_unit_streaming(const T* address) {
  return {__ldcs(reinterpret_cast<const typename Unit<T, kWidth>::Word*>(address))};
}

/// Data that the kernel does not write.
template <int kWidth, typename T>
__device__ __forceinline__ Unit<T, kWidth> load_unit_constant(const T* address) {
  return {__ldg(reinterpret_cast<const typename Unit<T, kWidth>::Word*>(address))};
}

template <typename T, int kWidth>
__device__ __forceinline__ void store_unit(T* address, const Unit<T, kWidth>& unit) {
  store_word(reinterpret_cast<typename Unit<T, kWidth>::Word*>(address), unit.word);
}

template <int kWidth>
__device__ __forceinline__ void unpack(const Unit<float, kWidth>& unit, float (&values)[kWidth]) {
  memcpy(values, &unit.word, sizeof values);
}

template <int kWidth>
__device__ __forceinline__ void unpack(const Unit<__nv_bfloat16, kWidth>& unit,
                                       float (&values)[kWidth]) {
  // bf16 is the upper half of fp32.
  if constexpr (kWidth == 1) {
    values[0] = __uint_as_float(static_cast<unsigned>(unit.word) << 16);
  } else {
    unsigned pairs[kWidth / 2];
    memcpy(pairs, &unit.word, sizeof pairs);
#pragma unroll
    for (int i = 0; i < kWidth / 2; ++i) {
      values[2 * i] = __uint_as_float(pairs[i] << 16);
      values[2 * i + 1] = __uint_as_float(pairs[i] & 0xffff0000U);
    }
  }
}

/// A word from its 32-bit parts.
__device__ __forceinline__ void join(const unsigned (&parts)[1], unsigned& word) {
  word = parts[0];
}
__device__ __forceinline__ void join(const unsigned (&parts)[2], uint2& word) {
  word = make_uint2(parts[0], parts[1]);
}
__device__ __forceinline__ void join(const unsigned (&parts)[4], uint4& word) {
  word = make_uint4(parts[0], parts[1], parts[2], parts[3]);
}

/// The values as a unit of T; to bf16 rounded to nearest, two at a time as the instruction does it.
template <typename T, int kWidth>
__device__ __forceinline__ Unit<T, kWidth> pack(const float (&values)[kWidth]) {
  Unit<T, kWidth> unit;
  if constexpr (sizeof(T) == sizeof(float)) {
    unsigned parts[kWidth];
#pragma unroll
    for (int i = 0; i < kWidth; ++i) parts[i] = __float_as_uint(values[i]);
    join(parts, unit.word);
  } else if constexpr (kWidth == 1) {
    unit.word = __bfloat16_as_ushort(__float2bfloat16_rn(values[0]));
  } else {
    unsigned parts[kWidth / 2];
#pragma unroll
    for (int i = 0; i < kWidth / 2; ++i) {
      const __nv_bfloat162 pair = __floats2bfloat162_rn(values[2 * i], values[2 * i + 1]);
      memcpy(&parts[i], &pair, sizeof pair);
    }
    join(parts, unit.word);
  }
  return unit;
}

/// For parameters, which may lie at any address.
__device__ __forceinline__ Bf16x8 load_unit_anywhere(const __nv_bfloat16* address) {
  if (reinterpret_cast<std::uintptr_t>(address) % sizeof(Bf16x8) == 0) {
    return load_unit_constant<8>(address);
  }
  unsigned short values[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] = reinterpret_cast<const unsigned short*>(address)[i];
  Bf16x8 unit;
  memcpy(&unit.word, values, sizeof values);
  return unit;
}

}  // namespace longhaul::kernels
