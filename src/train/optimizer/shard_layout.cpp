#include "train/optimizer/shard_layout.h"

#include "core/arena.h"

namespace longhaul {
namespace {

constexpr auto kAlignedFloats = static_cast<std::int64_t>(Arena::kAlignment / sizeof(float));

}  // namespace

ShardLayout::ShardLayout(const ParameterTable& table) : offsets_(table.parameters().size()) {
  const auto place = [&](bool replicated) {
    for (std::size_t i = 0; i < offsets_.size(); ++i) {
      const Parameter& parameter = table.parameters()[i];
      if (parameter.replicated != replicated) continue;
      offsets_[i] = size_;
      size_ += (parameter.shard_size() + kAlignedFloats - 1) / kAlignedFloats * kAlignedFloats;
    }
  };
  place(false);
  replicated_begin_ = size_;
  place(true);
}

}  // namespace longhaul
