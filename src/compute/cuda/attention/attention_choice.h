#pragma once

#include <cstdint>

namespace longhaul {

enum class AttentionChoice : std::uint8_t {
  automatic,  // cuDNN where it can be used, our own kernel with --deterministic and elsewhere
  cudnn,      // UserError when it cannot be used
  flash,      // our own kernel
};

}  // namespace longhaul
