#include "compute/cuda/cudnn/cudnn_plan_cache.h"

#include "core/stopwatch.h"

namespace longhaul::cudnn {

const Handle& PlanCache::handle(cudaStream_t stream) {
  handle_.use(stream);
  return handle_;
}

const Plan& PlanCache::get(const PlanShape& shape, cudaStream_t stream) {
  const auto found = plans_.find(shape);
  if (found != plans_.end()) return found->second;
  const Stopwatch watch;
  const auto made = plans_.try_emplace(shape, handle(stream), shape).first;
  build_seconds_ += watch.seconds();
  return made->second;
}

}  // namespace longhaul::cudnn
