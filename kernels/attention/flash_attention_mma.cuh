#pragma once

// The instructions that the attention kernels are made of, one function each. Shared memory is
// addressed by its 32-bit address throughout.
//
// Fragments of mma.m16n8k16, with g = lane / 4 and t = lane % 4:
//   a [16, 16]: a[0] holds (g, 2t) and (g, 2t + 1), a[1] the same of row g + 8, a[2] and a[3] the
//               same of columns + 8
//   b [16, 8]:  b0 holds rows 2t and 2t + 1 of column g, b1 the same of rows + 8
//   c [16, 8]:  c[0], c[1] are (g, 2t) and (g, 2t + 1), c[2], c[3] the same of row g + 8
// So two neighbouring c, rounded to pairs of BF16, are an a.

#include <cuda_bf16.h>

#include <cstdint>

namespace longhaul::kernels::flash {

/// The block's dynamic shared memory, aligned to 1024 bytes.
__device__ __forceinline__ std::uint32_t shared_memory() {
  extern __shared__ __align__(1024) unsigned char flash_attention_shared[];
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(flash_attention_shared));
}

/// Four 8 x 8 matrices; lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}

/// The same, each matrix transposed.
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&r)[4],
                                                         std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}

/// c += a b
__device__ __forceinline__ void multiply_add(float (&c)[4], const std::uint32_t (&a)[4],
                                             std::uint32_t b0, std::uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// Copies 16 bytes from global memory, or writes zeros and does not look at `from`; done at
/// copies_wait().
enum class Copy : std::uint8_t { data, zeros };
__device__ __forceinline__ void copy_16(std::uint32_t to, const void* from, Copy copy) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(copy == Copy::data ? 16 : 0)
               : "memory");
}
__device__ __forceinline__ void copy_4(std::uint32_t to, const void* from, Copy copy) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from),
               "r"(copy == Copy::data ? 4 : 0)
               : "memory");
}
__device__ __forceinline__ void copies_commit() { asm volatile("cp.async.commit_group;"); }
/// Waits for all of this thread's groups but the newest kNewest.
template <int kNewest>
__device__ __forceinline__ void copies_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kNewest) : "memory");
}

__device__ __forceinline__ void store_shared(std::uint32_t address, const std::uint32_t (&r)[4]) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(r[0]), "r"(r[1]),
               "r"(r[2]), "r"(r[3])
               : "memory");
}
__device__ __forceinline__ void load_shared(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}
__device__ __forceinline__ void load_shared(float& x, float& y, std::uint32_t address) {
  asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(x), "=f"(y) : "r"(address));
}

/// Hides where x comes from. In a loop, for a constant x: so that what is derived from it is made
/// again each time, and does not fill registers through the whole loop.
__device__ __forceinline__ void make_opaque(std::uint32_t& x) { asm volatile("" : "+r"(x)); }
__device__ __forceinline__ void make_opaque(int& x) { asm volatile("" : "+r"(x)); }

/// 2^x to about 2^-22 of its value; 0 for -infinity.
__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Rounded to nearest; `low` is the element at the lower address.
__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
__device__ __forceinline__ float low_of(std::uint32_t pair) { return __uint_as_float(pair << 16U); }
__device__ __forceinline__ float high_of(std::uint32_t pair) {
  return __uint_as_float(pair & 0xffff0000U);
}

}  // namespace longhaul::kernels::flash
