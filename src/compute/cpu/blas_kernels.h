#pragma once

namespace longhaul::cpu {

/// OpenBLAS chooses its kernels by the processor's model number. Releases that are older than the
/// processor fall back to kernels of 2004, several times slower than what it can do. Where that has
/// happened, and OPENBLAS_CORETYPE does not say otherwise, chooses by the instructions that the
/// processor has. To be called before the first product.
void choose_blas_kernels();

}  // namespace longhaul::cpu
