// The kernels for AVX-512 (F, DQ, BW, VL); see src/compute/CMakeLists.txt for the flags.
#define LONGHAUL_SIMD avx512
#define LONGHAUL_SIMD_NAME "AVX-512"
#define LONGHAUL_SIMD_BLAS "SkylakeX"
#include "compute/cpu/simd/kernel_table.h"

namespace longhaul::cpu {

const Kernels& avx512_kernels() { return avx512::kKernels; }

}  // namespace longhaul::cpu
