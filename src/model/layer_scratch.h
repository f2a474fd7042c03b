#pragma once

#include <optional>

#include "model/attention_block.h"
#include "model/kv_exchange.h"
#include "model/mlp_block.h"

namespace longhaul {

/// The working buffers of a layer's two halves. They never run at the same time, so their buffers
/// share one place.
struct LayerScratch {
  LayerScratch(Runtime& runtime, const LocalSizes& sizes, ActivationArena arena);

  std::optional<MlpScratch> mlp;
  std::optional<AttentionScratch> attention;
  std::optional<KvExchange> kv_exchange;
};

}  // namespace longhaul
