#include "train/optimizer/optimizer_state.h"

namespace longhaul {

StateTensor::StateTensor(const StateDescription& description, const ParameterTable& table,
                         const ShardLayout& layout, Arena& arena)
    : description_(description),
      table_(table),
      layout_(layout),
      data_(arena.allocate(static_cast<std::size_t>(layout.size()) * size_of(description.dtype),
                           description.name)) {}

MatrixView StateTensor::view(int parameter) const {
  const Parameter& p = table_.parameters()[static_cast<std::size_t>(parameter)];
  const auto offset = static_cast<std::size_t>(layout_.offset(parameter)) * size_of(dtype());
  return {static_cast<std::byte*>(data_) + offset, dtype(), p.shard_rows, p.cols};
}

MatrixView StateTensor::all() const { return {data_, dtype(), 1, layout_.size()}; }

}  // namespace longhaul
