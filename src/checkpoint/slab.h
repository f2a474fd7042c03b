#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor/dtype.h"
#include "core/tensor/tensor_slice.h"

namespace longhaul {

/// A slice of a tensor in host memory. Tensors are named by their path in the checkpoint:
/// "model/layers/0/self_attn/q_proj/weight", "optimizer/exp_avg/layers/0/...".
struct TensorSlab {
  std::string path;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  // of the whole tensor: one or two dimensions
  TensorSlice slice;
  const void* data = nullptr;   // row-major, the slice's rows `row_stride` elements apart
  std::int64_t row_stride = 0;  // elements; the slice's columns when contiguous
};

}  // namespace longhaul
