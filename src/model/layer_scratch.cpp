#include "model/layer_scratch.h"

namespace longhaul {

LayerScratch::LayerScratch(Runtime& runtime, const LocalSizes& sizes, ActivationArena arena) {
  Arena& memory = arena.arena();
  const std::size_t begin = memory.mark();
  mlp.emplace(arena);
  const std::size_t mlp_end = memory.mark();
  memory.release(begin);
  attention.emplace(arena);
  kv_exchange.emplace(runtime, sizes, arena);
  if (memory.mark() < mlp_end) memory.allocate(mlp_end - memory.mark(), "SwiGLU output");
}

}  // namespace longhaul
