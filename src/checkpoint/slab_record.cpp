#include "checkpoint/slab_record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace longhaul {
namespace {

using nlohmann::json;

constexpr std::array kDtypes{DType::f32, DType::bf16, DType::f16, DType::i32,
                             DType::i64, DType::u8,   DType::f64};

}  // namespace

Box box_of(const std::vector<std::int64_t>& offset, const std::vector<std::int64_t>& extent) {
  LONGHAUL_CHECK(offset.size() == extent.size() && (offset.size() == 1 || offset.size() == 2),
                 "a rectangle with {} offsets and {} extents", offset.size(), extent.size());
  if (offset.size() == 1) return {0, offset[0], 1, extent[0]};
  return {offset[0], offset[1], extent[0], extent[1]};
}

Box intersect(const Box& a, const Box& b) {
  const std::int64_t row = std::max(a.row, b.row);
  const std::int64_t col = std::max(a.col, b.col);
  const std::int64_t row_end = std::min(a.row + a.rows, b.row + b.rows);
  const std::int64_t col_end = std::min(a.col + a.cols, b.col + b.cols);
  return {row, col, std::max<std::int64_t>(row_end - row, 0),
          std::max<std::int64_t>(col_end - col, 0)};
}

std::string describe(const Box& box, std::size_t dimensions) {
  if (dimensions == 1) {
    return fmt::format("elements {}..{}", box.col, box.col + box.cols - 1);
  }
  return fmt::format("rows {}..{}, columns {}..{}", box.row, box.row + box.rows - 1, box.col,
                     box.col + box.cols - 1);
}

std::string encode(const ShardRecord& record) {
  json slabs = json::array();
  for (const SlabRecord& slab : record.slabs) {
    slabs.push_back(json::array({slab.path, static_cast<int>(slab.dtype), slab.shape, slab.offset,
                                 slab.extent, slab.file_offset, slab.crc}));
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
    item.at(3).get_to(slab.offset);
    item.at(4).get_to(slab.extent);
    slab.file_offset = item.at(5);
    slab.crc = item.at(6);
  }
  return record;
}

std::string slab_dataset_path(const std::string& path, const std::vector<std::int64_t>& offset) {
  return fmt::format("{}/{}", path, fmt::join(offset, "_"));
}

DType dtype_named(const std::string& name, const std::string& where) {
  for (const DType dtype : kDtypes) {
    if (name_of(dtype) == name) return dtype;
  }
  user_error("{}: unknown element type '{}'; a newer version of this program may read it", where,
             name);
}

}  // namespace longhaul
