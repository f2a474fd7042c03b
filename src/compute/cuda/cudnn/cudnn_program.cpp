#include "compute/cuda/cudnn/cudnn_program.h"

#include <utility>

#include "core/error.h"

namespace longhaul::cudnn {
namespace {

class Builder {
 public:
  Builder(const PlanShape& base, std::size_t round_bytes)
      : base_(base), round_bytes_(round_bytes) {}

  void append_pass(Mask mask, const std::vector<Group>& groups, std::vector<RowRange> q_ranges,
                   std::vector<RowRange> kv_ranges) {
    const std::size_t begin = program_.steps.size();
    for (const Group& group : groups) append_step(group);
    program_.passes.push_back(
        {mask, begin, program_.steps.size(), std::move(q_ranges), std::move(kv_ranges)});
  }

  [[nodiscard]] Program finish(std::span<const AttentionSegment> segments) && {
    for (const AttentionSegment& s : segments) {
      program_.q_ranges.push_back({s.q_begin, s.q_len});
      program_.kv_ranges.push_back({s.kv_begin, s.kv_len});
    }
    program_.q_ranges = merged(std::move(program_.q_ranges));
    program_.kv_ranges = merged(std::move(program_.kv_ranges));
    return std::move(program_);
  }

 private:
  void append_step(const Group& group) {
    PlanShape shape = base_;
    shape.mask = group.mask;
    shape.batch = group.batch;
    shape.max_q = group.max_q;
    shape.max_kv = group.max_kv;
    const MetadataLayout layout(
        group.batch, base_.direction == Direction::forward ? kForwardTensors : kBackwardTensors);
    LONGHAUL_CHECK(layout.bytes() <= round_bytes_, "tables of {} bytes in rounds of {}",
                   layout.bytes(), round_bytes_);
    auto& rounds = program_.rounds;
    if (rounds.empty() || rounds.back().size() + layout.bytes() > round_bytes_) {
      rounds.emplace_back();
    }
    const std::size_t at = rounds.back().size();
    rounds.back().resize(at + layout.bytes());
    layout.write(group, base_.strides, rounds.back().data() + at);
    program_.steps.push_back({shape, rounds.size() - 1, at});
  }

  PlanShape base_;
  std::size_t round_bytes_;
  Program program_;
};

}  // namespace

Program make_program(std::span<const AttentionSegment> segments, const PlanShape& base,
                     const GroupingRules& rules, std::size_t round_bytes) {
  Builder builder(base, round_bytes);
  if (base.direction == Direction::backward) {
    for (BackwardPass& pass : backward_passes(segments, rules)) {
      builder.append_pass(pass.mask, pass.groups, std::move(pass.q_ranges),
                          std::move(pass.kv_ranges));
    }
  } else {
    builder.append_pass(Mask::bottom_right, forward_groups(segments, rules), {}, {});
  }
  return std::move(builder).finish(segments);
}

}  // namespace longhaul::cudnn
