#include "compute/cuda/cudnn/cudnn_metadata.h"

#include <cstring>

#include "core/error.h"

namespace longhaul::cudnn {
namespace {

std::size_t padded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

bool has_query_rows(int tensor) { return tensor != kK && tensor != kV && tensor < kDK; }

template <typename T>
void store(std::byte* base, std::size_t index, T value) {
  std::memcpy(base + index * sizeof(T), &value, sizeof(T));
}

}  // namespace

std::size_t MetadataLayout::offsets_at(int tensor) const {
  const std::size_t table = padded((static_cast<std::size_t>(batch_) + 1) * sizeof(std::int64_t));
  return static_cast<std::size_t>(tensor) * table;
}

std::size_t MetadataLayout::kv_lengths_at() const {
  return q_lengths_at() + padded(static_cast<std::size_t>(batch_) * sizeof(std::int32_t));
}

std::size_t MetadataLayout::bytes() const {
  return kv_lengths_at() + padded(static_cast<std::size_t>(batch_) * sizeof(std::int32_t));
}

void MetadataLayout::write(const Group& group, const RowStrides& strides, std::byte* base) const {
  LONGHAUL_CHECK(group.batch == batch_ && !group.parts.empty() &&
                     group.parts.size() <= static_cast<std::size_t>(batch_),
                 "{} parts for a batch of {}, tables for {}", group.parts.size(), group.batch,
                 batch_);
  std::memset(base, 0, bytes());
  const std::size_t parts = group.parts.size();
  const Part& last = group.parts.back();
  for (int t = 0; t < tensors_; ++t) {
    const bool query = has_query_rows(t);
    const std::int64_t stride = strides[static_cast<std::size_t>(t)];
    std::byte* const table = base + offsets_at(t);
    for (std::size_t i = 0; i < parts; ++i) {
      store(table, i, (query ? group.parts[i].q_begin : group.parts[i].kv_begin) * stride);
    }
    const std::int64_t end =
        query ? std::int64_t{last.q_begin} + last.q_len : std::int64_t{last.kv_begin} + last.kv_len;
    for (std::size_t i = parts; i <= static_cast<std::size_t>(batch_); ++i) {
      store(table, i, end * stride);
    }
  }
  for (std::size_t i = 0; i < parts; ++i) {
    store(base + q_lengths_at(), i, group.parts[i].q_len);
    store(base + kv_lengths_at(), i, group.parts[i].kv_len);
  }
}

}  // namespace longhaul::cudnn
