#pragma once

#include <cuda_runtime_api.h>

#include "core/tensor/adamw_step.h"

namespace longhaul::kernels {

/// One AdamW step on one shard, by AdamWStep's formula with bf16 weights:
///   master, exp_avg, exp_avg_sq [count] fp32, updated; grad [count] fp32, read;
///   weight [count] bf16, overwritten with the master rounded to nearest even.
/// Bias corrections are multiplied as fp32 inverses; division and square root are IEEE. Any
/// alignment, 16 bytes an access when the fp32 arrays are aligned to 16 and the weights to 8. The
/// CPU backend does the same operations in the same order: they differ by fp32 roundings only
/// (which products are fused into the additions behind them). Deterministic; no scratch.
/// Moves 30 bytes an element: reads 16, writes 14.
void adamw(const AdamWStep& step, cudaStream_t stream);

}  // namespace longhaul::kernels
