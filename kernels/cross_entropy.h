#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "core/tensor/cross_entropy_partials.h"
#include "core/tensor/matrix.h"

namespace longhaul::kernels {

// Cross-entropy over a vocabulary of which every rank holds some columns. Columns >= valid_cols are
// padding. Rows may start at any address: each is read in 16-byte packs between its first and last
// multiple of 16. Deterministic; no scratch.
//
// Example: vocabulary 10 on 2 ranks of 6 columns. Rank 1 has vocab_begin 6, valid_cols 4; a target
// of 7 is its column 1, and rank 0 stores -infinity for that row's target.

/// logits [R, V] bf16 (columns vocab_begin .. vocab_begin + V - 1), targets [R] int32
/// -> partials [R, 3] fp32, overwritten: maximum, sum of exp(logit - maximum), target's logit or
/// -infinity. Without a valid column (or with -infinity in all of them) the maximum is -infinity
/// and the sum 0; a NaN or +infinity makes the sum NaN. One pass, fp32.
/// Moves 2 bytes a logit.
void cross_entropy_partials(ConstMatrixView logits, std::int64_t valid_cols,
                            const std::int32_t* targets, std::int64_t vocab_begin, float* partials,
                            cudaStream_t stream);

/// all_partials [parts, R, 3] fp32 -> nll [R] fp32, overwritten: log-sum-exp minus the target's
/// logit; lse [R] fp32, overwritten. In fp64 between the parts. Moves 12 * parts + 8 bytes a row.
void cross_entropy_combine(const float* all_partials, int parts, std::int64_t rows, float* nll,
                           float* lse, cudaStream_t stream);

/// logits [R, V] bf16 -> overwritten with weights[r] * (exp(logit - lse[r]) - onehot(target)),
/// padding columns with zero. targets [R] int32, weights, lse [R] fp32.
/// Moves 4 bytes a logit: one read, one write.
void cross_entropy_backward(MatrixView logits, std::int64_t valid_cols, const std::int32_t* targets,
                            std::int64_t vocab_begin, const float* weights, const float* lse,
                            cudaStream_t stream);

}  // namespace longhaul::kernels
