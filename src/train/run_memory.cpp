#include "train/run_memory.h"

#include "core/error.h"

namespace longhaul {

MemoryPlan RunMemory::plan(const DeviceModel& device, const ProcessGrid& grid,
                           std::int64_t micro_bs, const Recomputation& recomputation) const {
  const ParameterTable table(config, grid);
  return TrainingMemory::plan(device, grid, config, table, adamw,
                              {max_tokens(micro_bs, grid.layout()), max_position, recomputation});
}

PlanRequest plan_request(Runtime& runtime, const RunMemory& run, int ranks_per_gpu) {
  PlanRequest request;
  request.layers = run.config.num_layers;
  request.free_bytes = usable_memory(runtime, ranks_per_gpu);
  request.layout = runtime.grid.layout();
  request.plan = [&runtime, run](std::int64_t micro_bs, const Recomputation& recomputation) {
    MemoryPlan plan = run.plan(runtime.device.model(), runtime.grid, micro_bs, recomputation);
    const auto mine = static_cast<std::int64_t>(plan.bytes);
    plan.bytes = static_cast<std::size_t>(runtime.coordinator.max(mine));
    return plan;
  };
  request.bytes_in_layout = [&runtime, run](const ParallelLayout& layout,
                                            Recompute mode) -> std::optional<std::size_t> {
    try {
      return run.plan(runtime.device.model(), ProcessGrid(layout, 0), 1, {mode}).bytes;
    } catch (const UserError&) {
      return std::nullopt;  // heads or columns that this TP does not divide
    }
  };
  return request;
}

}  // namespace longhaul
