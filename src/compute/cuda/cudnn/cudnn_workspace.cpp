#include "compute/cuda/cudnn/cudnn_workspace.h"

#include <algorithm>

#include "compute/cuda/cudnn/cudnn_sizes.h"

namespace longhaul::cudnn {
namespace {

/// Workspace that is not worth doing without.
constexpr std::size_t kSpareBytes = std::size_t{64} << 20;

}  // namespace

bool knows(const AttentionHeads& heads) { return heads.head_dim == 64 || heads.head_dim == 128; }

std::size_t workspace_bytes(const WorkspaceShape& shape, std::size_t most_backward_bytes) {
  const AttentionHeads& heads = shape.heads;
  BackwardSizes sizes = backward_sizes(std::max<std::int64_t>(shape.max_tokens, 1),
                                       std::max<std::int64_t>(shape.max_keys, 1), heads,
                                       Operands::in_place, most_backward_bytes);
  // Room for copies where it is little: then rows may have any stride. Large runs have rows that
  // can be used in place.
  BackwardSizes copied = sizes;
  copied.operands = Operands::copied;
  if (backward_bytes(copied, heads) <= backward_bytes(sizes, heads) + kSpareBytes) sizes = copied;
  return kPersistentBytes + backward_bytes(sizes, heads);  // the forward pass needs less
}

}  // namespace longhaul::cudnn
