#include "train/pack_batches.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace longhaul {

PackBatches::PackBatches(const Dataset& dataset, const std::vector<Pack>& packs,
                         const ProcessGrid& grid, std::int64_t max_tokens)
    : dataset_(dataset), packs_(packs), grid_(grid), max_tokens_(max_tokens) {}

const MicroBatch& PackBatches::build(const StepPlan& plan, std::int64_t index) {
  dataset_.load_packs(packs_, plan.micro_batch(grid_.dp_rank(), index), buffer_);
  fill_micro_batch(buffer_.documents, grid_.layout(), grid_.cp_rank(), max_tokens_, batch_);
  return batch_;
}

std::int64_t largest_micro_batch(const std::vector<Pack>& packs, std::int64_t micro_bs) {
  std::vector<std::int64_t> tokens;
  tokens.reserve(packs.size());
  for (const Pack& pack : packs) tokens.push_back(pack.tokens);
  const auto taken =
      std::min(static_cast<std::ptrdiff_t>(micro_bs), static_cast<std::ptrdiff_t>(tokens.size()));
  std::partial_sort(tokens.begin(), tokens.begin() + taken, tokens.end(), std::greater<>());
  return std::accumulate(tokens.begin(), tokens.begin() + taken, std::int64_t{0});
}

}  // namespace longhaul
