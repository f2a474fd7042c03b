#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/tensor/dtype.h"
#include "model/parameter_table.h"

namespace longhaul {

/// Rows row .. row + rows of a tensor -> out [rows, tensor.cols], contiguous, overwritten, in the
/// dtype that the files get.
using RowSource = std::function<void(const LogicalTensor& tensor, std::int64_t row,
                                     std::int64_t rows, void* out)>;

/// What was written or compared.
struct WeightFiles {
  std::size_t tensors = 0;
  std::int64_t bytes = 0;          // of the tensors
  std::vector<std::string> files;  // with tensors
};

/// Writes tensors as safetensors into a directory, a few MiB at a time (see SafetensorsWriter),
/// with progress on standard error. Throws UserError when the disk is full or not writable.
WeightFiles write_weights(const std::filesystem::path& directory,
                          const std::vector<LogicalTensor>& tensors, DType dtype,
                          std::int64_t max_shard_bytes, const RowSource& source);

/// Opens the files again and compares every tensor with the source, bit for bit. Throws
/// InternalError naming the first tensor and element that differs, UserError for damaged files.
WeightFiles verify_weights(const std::filesystem::path& directory,
                           const std::vector<LogicalTensor>& tensors, DType dtype,
                           const RowSource& source);

/// The text of a config.json for weights of `dtype`: the given text with its dtype set (under the
/// spelling that it has; torch_dtype, which all releases of transformers read, when it has none)
/// and `architectures` added when missing. All other keys stay as they are, in their order.
std::string config_text(const std::string& text, DType dtype);

}  // namespace longhaul
