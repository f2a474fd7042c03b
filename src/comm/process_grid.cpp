#include "comm/process_grid.h"

#include "core/error.h"

namespace longhaul {

std::string ParallelLayout::describe() const {
  return fmt::format("tp {}, cp {}, dp {}", tp, cp, dp);
}

ParallelLayout make_layout(int world, int tp, int cp) {
  if (tp < 1 || cp < 1) {
    user_error(
        "--tensor_model_parallel_size {} and --context_parallel_size {} must both be at least 1",
        tp, cp);
  }
  if (world % (tp * cp) != 0) {
    user_error(
        "{} ranks cannot be divided into groups of tensor_model_parallel_size {} x "
        "context_parallel_size {} = {}; start a multiple of {} ranks or change one of the two "
        "flags",
        world, tp, cp, tp * cp, tp * cp);
  }
  return {tp, cp, world / (tp * cp)};
}

ProcessGrid::ProcessGrid(const ParallelLayout& layout, int rank) : layout_(layout), rank_(rank) {
  LONGHAUL_CHECK(rank >= 0 && rank < layout.world(), "rank {} of {}", rank, layout.world());
}

ProcessGrid::Stretch ProcessGrid::stretch(Group group) const {
  switch (group) {
    case Group::tp:
      return {layout_.tp, 1};
    case Group::cp:
      return {layout_.cp, layout_.tp};
    case Group::dp_cp:
    case Group::weights:
      return {layout_.dp * layout_.cp, layout_.tp};
    case Group::host:
    case Group::world:
      break;
  }
  return {layout_.world(), 1};
}

int ProcessGrid::rank(Group group) const {
  const auto [size, step] = stretch(group);
  return rank_ / step % size;
}

std::vector<int> ProcessGrid::members(Group group) const {
  const auto [size, step] = stretch(group);
  std::vector<int> ranks;
  for (int i = 0; i < size; ++i) ranks.push_back(rank_ + (i - rank(group)) * step);
  return ranks;
}

}  // namespace longhaul
