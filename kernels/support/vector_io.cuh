#pragma once

// 16-byte loads and stores: the widest that one thread can issue, and what keeps bandwidth-bound
// kernels near the memory's own rate.

#include <cuda_bf16.h>

#include <cstdint>

namespace longhaul::kernels {

/// `size()` consecutive elements in 16 bytes.
template <typename T>
struct alignas(16) Pack {
  static constexpr int kSize = 16 / sizeof(T);
  T values[kSize];
};

using PackBf16 = Pack<__nv_bfloat16>;
using PackF32 = Pack<float>;

template <typename T>
__device__ __forceinline__ Pack<T> load_pack(const T* address) {
  Pack<T> pack;
  *reinterpret_cast<uint4*>(&pack) = *reinterpret_cast<const uint4*>(address);
  return pack;
}

/// For data that is read once: does not displace other lines from the caches.
template <typename T>
__device__ __forceinline__ Pack<T> load_pack_streaming(const T* address) {
  Pack<T> pack;
  *reinterpret_cast<uint4*>(&pack) = __ldcs(reinterpret_cast<const uint4*>(address));
  return pack;
}

template <typename T>
__device__ __forceinline__ void store_pack(T* address, const Pack<T>& pack) {
  *reinterpret_cast<uint4*>(address) = *reinterpret_cast<const uint4*>(&pack);
}

template <typename T>
__device__ __forceinline__ void store_pack_streaming(T* address, const Pack<T>& pack) {
  __stcs(reinterpret_cast<uint4*>(address), *reinterpret_cast<const uint4*>(&pack));
}

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

template <typename T>
__device__ __forceinline__ T from_float(float value);
template <>
__device__ __forceinline__ float from_float<float>(float value) {
  return value;
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

/// Can rows at this address and stride (in elements) be read in 16-byte packs?
inline bool is_pack_aligned(const void* data, std::int64_t stride, std::size_t element_bytes) {
  return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 &&
         static_cast<std::size_t>(stride) * element_bytes % 16 == 0;
}

}  // namespace longhaul::kernels
