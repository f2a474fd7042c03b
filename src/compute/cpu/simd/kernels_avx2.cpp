// The kernels for AVX2 and FMA; see src/compute/CMakeLists.txt for the flags.
#define LONGHAUL_SIMD avx2
#define LONGHAUL_SIMD_NAME "AVX2"
#define LONGHAUL_SIMD_BLAS "Haswell"
#include "compute/cpu/simd/kernel_table.h"

namespace longhaul::cpu {

const Kernels& avx2_kernels() { return avx2::kKernels; }

}  // namespace longhaul::cpu
