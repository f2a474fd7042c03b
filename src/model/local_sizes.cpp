#include "model/local_sizes.h"

#include <cmath>

namespace longhaul {

LocalSizes::LocalSizes(const ModelConfig& config, const ProcessGrid& grid,
                       const ParameterTable& table)
    : tp(grid.layout().tp),
      cp(grid.layout().cp),
      layers(config.num_layers),
      hidden(config.hidden_size),
      q_cols(config.num_heads / tp * config.head_dim),
      kv_cols(config.num_kv_heads / tp * config.head_dim),
      ffn(config.intermediate_size / tp),
      vocab_begin(table.vocab_begin()),
      vocab_rows(table.vocab_rows()),
      vocab_valid(table.vocab_valid_rows()),
      qk_norm(config.qk_norm),
      epsilon(static_cast<float>(config.rms_norm_eps)) {
  heads.num_q_heads = static_cast<int>(config.num_heads / tp);
  heads.num_kv_heads = static_cast<int>(config.num_kv_heads / tp);
  heads.head_dim = static_cast<int>(config.head_dim);
  heads.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_dim)));
}

}  // namespace longhaul
