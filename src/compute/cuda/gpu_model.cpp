#include "compute/cuda/gpu_model.h"

#include <algorithm>
#include <utility>

#include "compute/cuda/attention/flash_workspace.h"
#include "compute/cuda/cudnn/cudnn_workspace.h"

namespace longhaul::cuda {
namespace {

std::size_t workspace_bytes(AttentionLibrary attention, const WorkspaceShape& shape) {
  const std::size_t own = flash_workspace_bytes(shape);
  switch (attention) {
    case AttentionLibrary::own:
      return own;
    case AttentionLibrary::cudnn: {
      const std::size_t fallback = cudnn::kPersistentBytes + own;
      if (!cudnn::knows(shape.heads)) return fallback;
      return std::max(fallback, cudnn::workspace_bytes(shape));
    }
  }
  return own;
}

}  // namespace

DeviceModel gpu_model(std::string name, AttentionLibrary attention) {
  return {DeviceKind::cuda, std::move(name), DType::bf16,
          [attention](const WorkspaceShape& shape) { return workspace_bytes(attention, shape); }};
}

}  // namespace longhaul::cuda
