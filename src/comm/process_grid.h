#pragma once

#include <string>
#include <vector>

#include "comm/group.h"

namespace longhaul {

/// Sizes of the three parallel axes. Pipeline parallelism would be a fourth, outermost one.
struct ParallelLayout {
  int tp = 1;  // tensor parallel: splits weight matrices, and tokens between them
  int cp = 1;  // context parallel: splits the token stream
  int dp = 1;  // data parallel: different packs

  [[nodiscard]] int world() const { return tp * cp * dp; }
  /// "tp 2, cp 2, dp 1"
  [[nodiscard]] std::string describe() const;
  friend bool operator==(const ParallelLayout&, const ParallelLayout&) = default;
};

/// The layout for `world` ranks with the given TP and CP sizes; DP is what remains.
/// Throws UserError when world is not a multiple of tp * cp, naming the flags to change.
ParallelLayout make_layout(int world, int tp, int cp);

/// Where one rank stands in the layout. TP varies fastest, so that a TP group sits inside a node,
/// then CP, then DP: rank = (dp_rank * cp + cp_rank) * tp + tp_rank.
///
/// Example, 32 ranks with tp 8, cp 4, dp 1: rank 13 has tp_rank 5, cp_rank 1, dp_rank 0. Its TP
/// group is ranks 8..15, its CP group 5, 13, 21, 29, and its gradient group (dp_cp) the same four.
class ProcessGrid {
 public:
  ProcessGrid(const ParallelLayout& layout, int rank);

  [[nodiscard]] const ParallelLayout& layout() const { return layout_; }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int world() const { return layout_.world(); }

  /// Of the group that this rank belongs to: how many ranks, which of them this one is, and the
  /// world ranks of all, in group order.
  [[nodiscard]] int size(Group group) const { return stretch(group).size; }
  [[nodiscard]] int rank(Group group) const;
  [[nodiscard]] std::vector<int> members(Group group) const;

  [[nodiscard]] int tp_rank() const { return rank(Group::tp); }
  [[nodiscard]] int cp_rank() const { return rank(Group::cp); }
  [[nodiscard]] int dp_rank() const { return rank(Group::dp_cp) / layout_.cp; }

 private:
  /// Every group spans neighbouring axes, so that its `size` world ranks are `step` apart.
  struct Stretch {
    int size;
    int step;
  };
  [[nodiscard]] Stretch stretch(Group group) const;

  ParallelLayout layout_;
  int rank_;
};

}  // namespace longhaul
