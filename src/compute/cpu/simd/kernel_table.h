#pragma once

#include "compute/cpu/kernels.h"
#include "compute/cpu/simd/elementwise_kernels.h"
#include "compute/cpu/simd/rms_norm_kernels.h"
#include "compute/cpu/simd/rope_kernels.h"
#include "compute/cpu/simd/softmax_kernels.h"
#include "compute/cpu/simd/swiglu_kernels.h"

namespace longhaul::cpu::LONGHAUL_SIMD {

constexpr Kernels kKernels{
    .name = LONGHAUL_SIMD_NAME,
    .blas_core_type = LONGHAUL_SIMD_BLAS,
    .add = add,
    .sum_of_squares = sum_of_squares,
    .column_sums = column_sums,
    .rms_norm_forward = rms_norm_forward,
    .rms_norm_backward = rms_norm_backward,
    .rope = rope,
    .swiglu_forward = swiglu_forward,
    .swiglu_backward = swiglu_backward,
    .softmax_tile_row = softmax_tile_row,
    .scale = scale,
    .scaled_copy = scaled_copy,
    .dot = dot,
    .softmax_backward_row = softmax_backward_row,
    .max_and_exp_sum = max_and_exp_sum,
    .scaled_exp = scaled_exp,
    .adamw = adamw,
};

}  // namespace longhaul::cpu::LONGHAUL_SIMD
