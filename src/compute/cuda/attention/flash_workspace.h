#pragma once

#include <cstddef>

#include "compute/workspace_shape.h"
#include "core/arena.h"
#include "kernels/attention/flash_attention_sizes.h"

namespace longhaul::cuda {

/// `bytes` rounded up to where the next part of the workspace may begin.
[[nodiscard]] inline std::size_t flash_aligned(std::size_t bytes) {
  return (bytes + Arena::kAlignment - 1) / Arena::kAlignment * Arena::kAlignment;
}

/// Workspace of our own kernel: an upper bound. Host arithmetic only.
[[nodiscard]] inline std::size_t flash_workspace_bytes(const WorkspaceShape& shape) {
  return flash_aligned(kernels::flash_attention_metadata_bytes(shape.max_tokens, shape.max_keys,
                                                               shape.max_tokens)) +
         flash_aligned(kernels::flash_attention_workspace_bytes(shape.max_tokens, shape.max_keys,
                                                                shape.heads));
}

}  // namespace longhaul::cuda
