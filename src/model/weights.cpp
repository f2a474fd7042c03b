#include "model/weights.h"

namespace longhaul {

Weights::Weights(Runtime& runtime, const ParameterTable& table, Arena& arena)
    : runtime_(runtime), table_(table), updated_(runtime.device.create_event()) {
  const std::size_t width = size_of(runtime.device.compute_dtype());
  for (const Parameter& parameter : table.parameters()) {
    data_.push_back(
        arena.allocate(static_cast<std::size_t>(parameter.padded_size()) * width, "weights"));
  }
  for (std::size_t i = 0; i < table.units().size(); ++i) {
    gathered_.push_back(runtime.device.create_event());
  }
}

MatrixView Weights::matrix(int parameter) const {
  const Parameter& p = table_.parameters()[static_cast<std::size_t>(parameter)];
  return {data(parameter), runtime_.device.compute_dtype(), p.rows, p.cols};
}

MatrixView Weights::shard(int parameter) const {
  const Parameter& p = table_.parameters()[static_cast<std::size_t>(parameter)];
  return MatrixView(data(parameter), runtime_.device.compute_dtype(), p.padded_rows, p.cols)
      .row_range(p.shard_rows * runtime_.grid.rank(Group::weights), p.shard_rows);
}

void Weights::gather() {
  Device& device = runtime_.device;
  Communicator& group = runtime_.comms[Group::weights];
  if (group.size() == 1) return;
  const Stream stream = runtime_.weight_stream;
  device.record(updated_, device.compute_stream());
  device.wait(stream, updated_);
  for (std::size_t i = 0; i < table_.units().size(); ++i) {
    const UnitParameters& unit = table_.units()[i];
    group.group_start();
    for (int p = unit.begin; p < unit.end; ++p) {
      group.all_gather(shard(p).data, data(p),
                       table_.parameters()[static_cast<std::size_t>(p)].shard_size(),
                       device.compute_dtype(), "weights.gather", stream);
    }
    group.group_end();
    device.record(gathered_[i], stream);
  }
}

void Weights::wait_for(Unit unit) const {
  if (runtime_.grid.size(Group::weights) == 1) return;
  const Event event = gathered_[table_.index_of(unit)];
  runtime_.exposed_comm->timed(
      [&] { runtime_.device.wait(runtime_.device.compute_stream(), event); });
}

WeightLease Weights::use(Unit unit) const {
  if (unit == Unit::head() && table_.tied_head()) wait_for(Unit::embedding());
  wait_for(unit);
  return WeightLease(*this);
}

}  // namespace longhaul
