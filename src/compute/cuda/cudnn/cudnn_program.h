#pragma once

// The calls for one list of segments, with their tables. Host arithmetic only.

#include <cstddef>
#include <span>
#include <vector>

#include "compute/cuda/cudnn/cudnn_groups.h"
#include "compute/cuda/cudnn/cudnn_shape.h"

namespace longhaul::cudnn {

/// One call.
struct Step {
  PlanShape shape;
  std::size_t round;     // which part of the metadata it needs
  std::size_t metadata;  // where its tables begin within that part
};

/// Calls without common query rows or keys.
struct Pass {
  Mask mask;
  std::size_t begin;  // steps begin .. end - 1
  std::size_t end;
  std::vector<RowRange> q_ranges;   // rows of dq that they write, merged
  std::vector<RowRange> kv_ranges;  // rows of dk and dv that they write
};

/// What a call does for one list of segments. The metadata is cut into rounds that fit the device
/// memory set aside for them; nearly always there is one.
struct Program {
  std::vector<Step> steps;
  std::vector<Pass> passes;
  std::vector<RowRange> q_ranges;   // rows of all segments' queries, merged
  std::vector<RowRange> kv_ranges;  // rows of all segments' keys
  std::vector<std::vector<std::byte>> rounds;
};

/// base: the shape of all calls except for mask, batch and lengths. A round has round_bytes at
/// most, which must hold the tables of a batch of kMaxBatch.
[[nodiscard]] Program make_program(std::span<const AttentionSegment> segments,
                                   const PlanShape& base, const GroupingRules& rules,
                                   std::size_t round_bytes);

}  // namespace longhaul::cudnn
