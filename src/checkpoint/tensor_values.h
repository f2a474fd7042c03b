#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "checkpoint/reader.h"

namespace longhaul {

/// A slice of a tensor, row-major, as numbers; int64 beyond 2^53 are rounded.
std::vector<double> read_values(const CheckpointReader& reader, const CheckpointTensor& tensor,
                                const TensorSlice& slice);

struct TensorSummary {
  double norm = 0;             // L2, of the finite elements, accumulated in double
  std::int64_t nonfinite = 0;  // NaN and infinities
};

/// Reads a whole tensor, a few megabytes at a time.
TensorSummary summarize(const CheckpointReader& reader, const CheckpointTensor& tensor);

/// Number of elements.
std::int64_t element_count(const CheckpointTensor& tensor);

}  // namespace longhaul
