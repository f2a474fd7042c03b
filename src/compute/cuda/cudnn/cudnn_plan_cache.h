#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>

#include "compute/cuda/cudnn/cudnn_graph.h"

namespace longhaul::cudnn {

/// The plans built so far. Shapes are rounded to few values before they come here, so after the
/// first packs nothing is built any more.
class PlanCache {
 public:
  /// The plan for this shape, built when it is new; stays where it is as long as the cache.
  const Plan& get(const PlanShape& shape, cudaStream_t stream);

  /// cuDNN's state, running on this stream; made at the first use.
  const Handle& handle(cudaStream_t stream);

  [[nodiscard]] std::size_t size() const { return plans_.size(); }
  /// Host time spent building all of them.
  [[nodiscard]] double build_seconds() const { return build_seconds_; }

 private:
  Handle handle_;
  std::map<PlanShape, Plan> plans_;
  double build_seconds_ = 0.0;
};

}  // namespace longhaul::cudnn
