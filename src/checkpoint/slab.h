#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace longhaul {

/// A rectangle of a tensor in host memory, one- or two-dimensional. Tensors are named by their path
/// in the checkpoint: "model/layers/0/self_attn/q_proj/weight", "optimizer/exp_avg/layers/0/...".
struct TensorSlab {
  std::string path;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;   // of the whole tensor
  std::vector<std::int64_t> offset;  // of this rectangle
  std::vector<std::int64_t> extent;
  const void* data = nullptr;   // row-major, extent's rows `row_stride` elements apart
  std::int64_t row_stride = 0;  // elements; extent's last dimension when contiguous
};

}  // namespace longhaul
