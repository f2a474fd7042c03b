#include "train/training_memory.h"

#include "runtime/planning_runtime.h"

namespace longhaul {
namespace {

/// The arena, whose next allocations belong to `name`.
Arena& section(Arena& arena, const char* name) {
  arena.begin_section(name);
  return arena;
}

}  // namespace

TrainingMemory::Parts::Parts(Runtime& runtime, const ModelConfig& config,
                             const ParameterTable& table, const AdamWOptions& adamw,
                             const MemoryShape& demand, Arena& arena)
    : layout(table),
      weights(runtime, table, section(arena, "weights")),
      gradients(runtime, table, layout, section(arena, "gradients")),
      optimizer(runtime, table, layout, weights, adamw, section(arena, "optimizer state")),
      model(runtime, config, table, weights, demand.max_tokens, demand.max_position,
            demand.recomputation, arena),
      feed(runtime, demand.max_tokens / runtime.grid.layout().cp,
           section(arena, "micro-batch arrays")) {
  const LocalSizes sizes(config, runtime.grid, table);
  workspace_shape = {demand.max_tokens / sizes.cp, demand.max_tokens, sizes.heads};
  workspace_bytes = runtime.device.model().workspace_bytes(workspace_shape);
  workspace = section(arena, "workspace of the attention").allocate(workspace_bytes, "workspace");
}

MemoryPlan TrainingMemory::plan(const DeviceModel& device, const ProcessGrid& grid,
                                const ModelConfig& config, const ParameterTable& table,
                                const AdamWOptions& adamw, const MemoryShape& demand) {
  PlanningRuntime planning(device, grid);
  Arena measuring;
  const Parts parts(planning.runtime(), config, table, adamw, demand, measuring);
  return {measuring.peak(), measuring.sections(), demand};
}

TrainingMemory::TrainingMemory(Runtime& runtime, const ModelConfig& config,
                               const ParameterTable& table, const AdamWOptions& adamw,
                               const MemoryShape& demand)
    : buffer_(runtime.device,
              plan(runtime.device.model(), runtime.grid, config, table, adamw, demand).bytes) {
  Arena arena(buffer_.data(), buffer_.bytes());
  parts_ = std::make_unique<Parts>(runtime, config, table, adamw, demand, arena);
  runtime.ops().set_workspace(parts_->workspace_shape, parts_->workspace, parts_->workspace_bytes);
  parts_->model.initialize();
  parts_->gradients.initialize();
  parts_->optimizer.initialize();
}

}  // namespace longhaul
