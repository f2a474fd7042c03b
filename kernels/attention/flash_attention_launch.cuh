#pragma once

// Checks and choices that the attention launchers share.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include "core/cuda_check.h"
#include "kernels/attention/flash_attention.h"
#include "kernels/attention/flash_attention_tile.cuh"

namespace longhaul::kernels::flash {

inline constexpr int kMaxHeadDim = 256;

inline void check_heads(const AttentionHeads& heads) {
  LONGHAUL_CHECK(heads.num_q_heads > 0 && heads.num_kv_heads > 0 &&
                     heads.num_q_heads % heads.num_kv_heads == 0,
                 "flash attention: {} heads on {} key/value heads", heads.num_q_heads,
                 heads.num_kv_heads);
  LONGHAUL_CHECK(heads.head_dim > 0 && heads.head_dim <= kMaxHeadDim,
                 "flash attention: heads of {} elements; at most {}", heads.head_dim, kMaxHeadDim);
  LONGHAUL_CHECK(heads.scale > 0.0F, "flash attention: a scale of {}", heads.scale);
}

/// How rows at this address, so many elements of so many bytes apart, can be accessed.
struct RowsAt {
  const void* data;
  std::int64_t stride;
  std::int64_t element_bytes = 2;
};
inline Access access_of(int head_dim, std::initializer_list<RowsAt> matrices) {
  const bool packs = std::all_of(matrices.begin(), matrices.end(), [](const RowsAt& m) {
    return reinterpret_cast<std::uintptr_t>(m.data) % 16 == 0 &&
           m.stride * m.element_bytes % 16 == 0;
  });
  return packs && head_dim % 8 == 0 ? Access::packs : Access::elements;
}

/// Calls launch.operator()<kDim, kAccess>() with the tile width for these heads.
template <typename Launch>
void dispatch(int head_dim, Access access, Launch&& launch) {
  if (access == Access::elements) {
    launch.template operator()<kMaxHeadDim, Access::elements>();
  } else if (head_dim <= 64) {
    launch.template operator()<64, Access::packs>();
  } else if (head_dim <= 128) {
    launch.template operator()<128, Access::packs>();
  } else {
    launch.template operator()<kMaxHeadDim, Access::packs>();
  }
}

/// Launches `kernel` on a one-dimensional grid of `blocks`, with more shared memory than a kernel
/// gets by default, and as many blocks on a multiprocessor as have room in all its shared memory.
template <typename Params>
void launch_kernel(void (*kernel)(Params), const Params& params, std::int64_t blocks, int threads,
                   std::size_t shared_bytes, cudaStream_t stream, const char* what) {
  LONGHAUL_CHECK(blocks <= std::numeric_limits<std::int32_t>::max(), "{}: {} thread blocks", what,
                 blocks);
  LONGHAUL_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                           static_cast<int>(shared_bytes)),
                      what);
  if (shared_bytes > 0) {
    LONGHAUL_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                             cudaSharedmemCarveoutMaxShared),
                        what);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  LONGHAUL_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, params), what);
  LONGHAUL_CUDA_CHECK_LAUNCH(what);
}

}  // namespace longhaul::kernels::flash
