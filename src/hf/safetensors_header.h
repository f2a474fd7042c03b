#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor/dtype.h"

namespace longhaul {

// The safetensors format: 8 bytes little-endian N; N bytes of JSON, an object that maps each tensor
// name to {"dtype", "shape", "data_offsets": [begin, end]} (and "__metadata__" to strings), padded
// with spaces; then the data, which the offsets count from, without gaps.

/// One tensor of a safetensors file.
struct SafetensorsEntry {
  std::string stored_dtype;    // as the file spells it: "BF16", "F32", "I64", ...
  std::optional<DType> dtype;  // empty for types that this program does not compute with
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // byte offsets from the start of the data
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry, std::less<>> tensors;
  std::map<std::string, std::string> metadata;
  std::uint64_t data_offset = 0;  // of the data in the file
};

/// Reads and checks the header of a file with these bytes. Every offset that comes out lies inside
/// the file, is as long as dtype and shape say, and shares no byte with another tensor. Throws
/// UserError naming `source`, the tensor, and what was expected and found.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           std::string_view source);

/// "BF16" of bf16; only for the types that weights are written in: F32, F16, BF16.
std::string_view safetensors_name(DType dtype);

}  // namespace longhaul
