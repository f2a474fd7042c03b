#include "checkpoint/slab_record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace longhaul {
namespace {

using nlohmann::json;

constexpr std::array kDtypes{DType::f32, DType::bf16, DType::f16, DType::i32,
                             DType::i64, DType::u8,   DType::f64};

}  // namespace

std::string encode(const ShardRecord& record) {
  json slabs = json::array();
  for (const SlabRecord& slab : record.slabs) {
    slabs.push_back(json::array({slab.path, static_cast<int>(slab.dtype), slab.shape,
                                 slab.slice.row, slab.slice.col, slab.slice.rows, slab.slice.cols,
                                 slab.file_offset, slab.crc}));
  }
  const json whole =
      json::array({record.file_name, record.bytes, record.metadata_crc, std::move(slabs)});
  std::string bytes;
  json::to_cbor(whole, bytes);
  return bytes;
}

ShardRecord decode_shard_record(const std::string& bytes) {
  const json whole = json::from_cbor(bytes);
  ShardRecord record;
  record.file_name = whole.at(0);
  record.bytes = whole.at(1);
  record.metadata_crc = whole.at(2);
  for (const json& item : whole.at(3)) {
    SlabRecord& slab = record.slabs.emplace_back();
    slab.path = item.at(0);
    slab.dtype = static_cast<DType>(item.at(1).get<int>());
    item.at(2).get_to(slab.shape);
    slab.slice = {item.at(3), item.at(4), item.at(5), item.at(6)};
    slab.file_offset = item.at(7);
    slab.crc = item.at(8);
  }
  return record;
}

std::string slab_dataset_path(const SlabRecord& slab) {
  return fmt::format("{}/{}", slab.path, fmt::join(offset_of(slab.slice, slab.shape.size()), "_"));
}

DType dtype_named(const std::string& name, const std::string& where) {
  for (const DType dtype : kDtypes) {
    if (name_of(dtype) == name) return dtype;
  }
  user_error("{}: unknown element type '{}'; a newer version of this program may read it", where,
             name);
}

}  // namespace longhaul
