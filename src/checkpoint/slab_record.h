#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor/dtype.h"
#include "core/tensor/tensor_slice.h"

namespace longhaul {

/// A slab as it lies in a shard: where it belongs in its tensor, where its bytes are in the file
/// (row-major, contiguous, little-endian) and their CRC-32C.
struct SlabRecord {
  std::string path;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  TensorSlice slice;
  std::int64_t file_offset = 0;
  std::uint32_t crc = 0;

  [[nodiscard]] std::int64_t bytes() const {
    return slice.size() * static_cast<std::int64_t>(size_of(dtype));
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

/// Name of the dataset that holds a slab in a shard: the tensor's path, then where the slab begins:
/// "model/norm/weight/0", "lm_head/weight/128_0".
std::string slab_dataset_path(const SlabRecord& slab);

/// The dtype with this name_of(); throws UserError for others.
DType dtype_named(const std::string& name, const std::string& where);

}  // namespace longhaul
