#include "model/weights.h"

#include <algorithm>

namespace longhaul {

Weights::Weights(Runtime& runtime, const ParameterTable& table, Arena& arena)
    : runtime_(runtime), table_(table) {
  const DType dtype = runtime.backend.compute_dtype();
  int layers = 0;
  for (const Parameter& parameter : table.parameters()) {
    data_.push_back(arena.allocate(
        static_cast<std::size_t>(parameter.padded_size()) * size_of(dtype), "weights"));
    layers = std::max(layers, parameter.layer + 1);
  }
  for (int i = 0; i <= layers; ++i) gathered_.push_back(runtime.backend.create_event());
  updated_ = runtime.backend.create_event();
}

MatrixView Weights::matrix(int parameter) const {
  const Parameter& p = table_.parameters()[static_cast<std::size_t>(parameter)];
  return {data(parameter), runtime_.backend.compute_dtype(), p.rows, p.cols};
}

MatrixView Weights::shard(int parameter) const {
  const Parameter& p = table_.parameters()[static_cast<std::size_t>(parameter)];
  return MatrixView(data(parameter), runtime_.backend.compute_dtype(), p.padded_rows, p.cols)
      .row_range(p.shard_rows * runtime_.grid.rank(Group::weights), p.shard_rows);
}

void Weights::gather() {
  Backend& backend = runtime_.backend;
  Communicator& group = runtime_.comms[Group::weights];
  if (group.size() == 1) return;
  const Stream stream = runtime_.weight_stream;
  backend.record(updated_, backend.compute_stream());
  backend.wait(stream, updated_);
  const auto gather_layer = [&](int layer) {
    group.group_start();
    for (std::size_t i = 0; i < data_.size(); ++i) {
      const Parameter& p = table_.parameters()[i];
      if (p.layer != layer) continue;
      group.all_gather(shard(static_cast<int>(i)).data, data_[i], p.shard_size(),
                       backend.compute_dtype(), "weights.gather", stream);
    }
    group.group_end();
    const std::size_t slot = layer < 0 ? gathered_.size() - 1 : static_cast<std::size_t>(layer);
    backend.record(gathered_[slot], stream);
  };
  gather_layer(-1);  // the embedding comes first in the forward pass
  for (int layer = 0; layer + 1 < static_cast<int>(gathered_.size()); ++layer) gather_layer(layer);
}

void Weights::wait_for(int layer) const {
  if (runtime_.grid.size(Group::weights) == 1) return;
  const std::size_t slot = layer < 0 ? gathered_.size() - 1 : static_cast<std::size_t>(layer);
  runtime_.exposed_comm->timed(
      [&] { runtime_.backend.wait(runtime_.backend.compute_stream(), gathered_[slot]); });
}

}  // namespace longhaul
