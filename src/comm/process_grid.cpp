#include "comm/process_grid.h"

#include "core/error.h"

namespace longhaul {
namespace {

/// `count` ranks from `first` on, `step` apart.
std::vector<int> arithmetic_ranks(int first, int count, int step) {
  std::vector<int> ranks(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) ranks[static_cast<std::size_t>(i)] = first + i * step;
  return ranks;
}

}  // namespace

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

std::vector<int> ProcessGrid::tp_group() const {
  return arithmetic_ranks(rank_ - tp_rank(), layout_.tp, 1);
}

std::vector<int> ProcessGrid::cp_group() const {
  return arithmetic_ranks(rank_ - cp_rank() * layout_.tp, layout_.cp, layout_.tp);
}

std::vector<int> ProcessGrid::dp_group() const {
  const int step = layout_.tp * layout_.cp;
  return arithmetic_ranks(rank_ % step, layout_.dp, step);
}

std::vector<int> ProcessGrid::dp_cp_group() const {
  return arithmetic_ranks(tp_rank(), dp_cp_size(), layout_.tp);
}

}  // namespace longhaul
