#pragma once

#include "compute/runtime.h"

namespace longhaul {

// Tensor parallelism with sequence parallelism: between the column- and row-parallel matrices the
// hidden state is split over the tokens, rank t of the TP group holding rows
// [t * sharded, (t + 1) * sharded) of the local ones.

/// part [sharded, H] of each rank -> whole [local, H]. Returns `part` itself when TP is 1, and
/// `whole` otherwise.
ConstMatrixView gather_tokens(Runtime& runtime, ConstMatrixView part, void* whole, Label label);

/// Sums whole [local, H] over the TP group; each rank gets its rows in part [sharded, H],
/// overwritten. With TP 1 `whole` and `part` must be the same buffer, and nothing happens.
void reduce_scatter_tokens(Runtime& runtime, ConstMatrixView whole, MatrixView part, Label label);

/// Where to put a summand [local, H] that reduce_scatter_tokens will reduce into `part`: `part`'s
/// own buffer when TP is 1, else `scratch`.
MatrixView partial_sum_buffer(Runtime& runtime, MatrixView part, void* scratch,
                              std::int64_t local_rows);

}  // namespace longhaul
