#pragma once

// The workspace of attention through cuDNN. Host arithmetic only: needs no cuDNN and no device.

#include <cstddef>

#include "compute/workspace_shape.h"

namespace longhaul::cudnn {

/// Tables of one direction on the device: a few hundred documents a micro-batch need a tenth.
inline constexpr std::size_t kRegionBytes = std::size_t{256} << 10;
/// What must stay between calls: the tables of both directions.
inline constexpr std::size_t kPersistentBytes = 2 * kRegionBytes;
/// The backward pass works on fewer heads at a time when all at once would need more than this.
inline constexpr std::size_t kBackwardBytes = std::size_t{1} << 30;

/// The head sizes of the models that matter for speed. cuDNN 9.19 accepts heads of 16 and ends with
/// an illegal instruction; what is not proven here is left to our own kernel.
[[nodiscard]] bool knows(const AttentionHeads& heads);

/// For calls up to `shape`: an upper bound. heads: one that cuDNN knows.
[[nodiscard]] std::size_t workspace_bytes(const WorkspaceShape& shape,
                                          std::size_t backward_bytes = kBackwardBytes);

}  // namespace longhaul::cudnn
