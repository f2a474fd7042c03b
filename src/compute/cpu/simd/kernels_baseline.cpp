// The kernels for the processor's least instruction set (SSE2 on x86-64); see
// src/compute/CMakeLists.txt for the flags.
#define LONGHAUL_SIMD baseline
#define LONGHAUL_SIMD_NAME "baseline"
#define LONGHAUL_SIMD_BLAS nullptr
#include "compute/cpu/simd/kernel_table.h"

namespace longhaul::cpu {

const Kernels& baseline_kernels() { return baseline::kKernels; }

}  // namespace longhaul::cpu
