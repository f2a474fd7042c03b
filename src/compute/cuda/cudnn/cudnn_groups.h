#pragma once

// Which segments go into which cuDNN call. Arithmetic on the host only.
//
// A call has a batch of segments and sizes its grid by batch * longest segment, so a short segment
// beside a long one, and an empty entry of the batch, cost thread blocks that start and find
// nothing to do. On the other hand every call costs its launches, and every batch and length that
// was not seen before costs building a plan. So lengths and batches are rounded up to powers of
// two, and segments of neighbouring length classes share a call when that is estimated cheaper
// than two calls.

#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor/attention_shape.h"

namespace longhaul::cudnn {

/// Which keys a query row sees. Top left: row i sees keys 0 to i of its part; bottom right: as
/// AttentionSegment says; none: all.
enum class Mask : std::uint8_t { bottom_right, top_left, none };

/// What the batch of a call is filled up with. Segments without any row and key are not promised to
/// work before cuDNN 9.25; `none` does without them, at the price of more calls.
enum class BatchPadding : std::uint8_t { empty_segments, none };

/// A run of query rows and the run of keys that one call lets them see (subject to the mask).
struct Part {
  std::int32_t q_begin;
  std::int32_t q_len;
  std::int32_t kv_begin;
  std::int32_t kv_len;
  bool operator==(const Part&) const = default;
};

struct RowRange {
  std::int64_t begin;
  std::int64_t count;
  bool operator==(const RowRange&) const = default;
};

/// The work of one call.
struct Group {
  Mask mask;
  std::vector<Part> parts;  // ascending q_begin
  std::int32_t batch;       // >= parts.size()
  std::int32_t max_q;       // >= every q_len
  std::int32_t max_kv;      // >= every kv_len
};

/// Backward calls whose parts have no query row and no key in common.
struct BackwardPass {
  Mask mask;
  std::vector<Group> groups;
  std::vector<RowRange> q_ranges;   // rows of dq that the groups write: ascending, disjoint
  std::vector<RowRange> kv_ranges;  // rows of dk and dv
};

struct GroupingRules {
  int heads = 1;
  /// Estimated seconds: one more call, and one thread block that finds nothing to do.
  double call_seconds = 0.0;
  double empty_block_seconds = 0.0;
  BatchPadding padding = BatchPadding::empty_segments;
};

/// Query rows that one thread block of cuDNN's kernels takes, and the shortest length class.
inline constexpr std::int32_t kBlockRows = 128;
/// Larger batches are cut; keeps the number of plans and the size of the metadata down.
inline constexpr std::int32_t kMaxBatch = 512;

/// The power of two >= length, at least kBlockRows.
[[nodiscard]] std::int32_t length_bucket(std::int32_t length);

/// 512, 2048, 8192, ... >= length: where room to spare costs little, fewer plans are worth more.
[[nodiscard]] std::int32_t coarse_bucket(std::int32_t length);

/// Sorted and merged where they touch or overlap; empty ones vanish.
[[nodiscard]] std::vector<RowRange> merged(std::vector<RowRange> ranges);

/// Calls for the forward pass: bottom-right masks, longest segments first.
[[nodiscard]] std::vector<Group> forward_groups(std::span<const AttentionSegment> segments,
                                                const GroupingRules& rules);

/// Calls for the backward pass. A segment is cut into its diagonal square (the last q_len keys, top
/// left) and, where there are keys before it, the rectangle of these (no mask): cuDNN's
/// bottom-right mask does not skip the blocks that it masks out. Squares come first; every segment
/// has exactly one. Parts that share keys are in different passes.
[[nodiscard]] std::vector<BackwardPass> backward_passes(std::span<const AttentionSegment> segments,
                                                        const GroupingRules& rules);

}  // namespace longhaul::cudnn
