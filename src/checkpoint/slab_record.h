#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace longhaul {

/// A rectangle of a matrix. A one-dimensional tensor counts as one row.
struct Box {
  std::int64_t row = 0;
  std::int64_t col = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  [[nodiscard]] std::int64_t size() const { return rows * cols; }
  [[nodiscard]] bool operator==(const Box&) const = default;
};

/// offset and extent: one or two numbers each, not negative.
Box box_of(const std::vector<std::int64_t>& offset, const std::vector<std::int64_t>& extent);
Box intersect(const Box& a, const Box& b);

/// "rows 128..255, columns 0..63", or "elements 0..63" of a one-dimensional tensor.
std::string describe(const Box& box, std::size_t dimensions);

/// A slab as it lies in a shard: where it belongs in its tensor, where its bytes are in the file
/// (row-major, contiguous, little-endian) and their CRC-32C.
struct SlabRecord {
  std::string path;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> offset;
  std::vector<std::int64_t> extent;
  std::int64_t file_offset = 0;
  std::uint32_t crc = 0;

  [[nodiscard]] Box box() const { return box_of(offset, extent); }
  [[nodiscard]] std::int64_t bytes() const {
    return box().size() * static_cast<std::int64_t>(size_of(dtype));
  }
};

/// What the index must know of a shard.
struct ShardRecord {
  std::string file_name;
  std::int64_t bytes = 0;
  /// CRC-32C of all bytes of the file that are in no slab, in the order of the file.
  std::uint32_t metadata_crc = 0;
  std::vector<SlabRecord> slabs;
};

/// To and from bytes, for sending to the rank that writes the index.
std::string encode(const ShardRecord& record);
ShardRecord decode_shard_record(const std::string& bytes);

/// Name of the dataset that holds a slab in a shard: the tensor's path, then its offset:
/// "model/norm/weight/0", "lm_head/weight/128_0".
std::string slab_dataset_path(const std::string& path, const std::vector<std::int64_t>& offset);

/// The dtype with this name_of(); throws UserError for others.
DType dtype_named(const std::string& name, const std::string& where);

}  // namespace longhaul
