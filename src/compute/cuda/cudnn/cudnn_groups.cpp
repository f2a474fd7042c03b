#include "compute/cuda/cudnn/cudnn_groups.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>
#include <tuple>
#include <utility>

namespace longhaul::cudnn {
namespace {

std::int64_t blocks_of(std::int32_t length) { return (length + kBlockRows - 1) / kBlockRows; }

/// How `count` parts are dealt to calls: pairs of parts and batch.
std::vector<std::pair<std::int32_t, std::int32_t>> batches_of(std::size_t count,
                                                              BatchPadding padding) {
  std::vector<std::pair<std::int32_t, std::int32_t>> batches;
  auto left = static_cast<std::uint32_t>(count);
  while (left > 0) {
    const std::uint32_t most = std::min<std::uint32_t>(left, kMaxBatch);
    const std::uint32_t parts =
        padding == BatchPadding::empty_segments ? most : std::bit_floor(most);
    batches.emplace_back(parts, std::bit_ceil(parts));
    left -= parts;
  }
  return batches;
}

/// Parts of one length class, or of several that share calls.
struct Bundle {
  std::size_t begin;  // parts begin .. end - 1, longest class first
  std::size_t end;
  std::int32_t max_q;
  std::int64_t real_blocks;  // of one head
};

/// Estimated seconds beyond the useful work.
double cost_of(const Bundle& bundle, const GroupingRules& rules) {
  double cost = 0.0;
  std::int64_t blocks = -bundle.real_blocks;
  for (const auto& [parts, batch] : batches_of(bundle.end - bundle.begin, rules.padding)) {
    cost += rules.call_seconds;
    blocks += batch * blocks_of(bundle.max_q);
  }
  return cost + static_cast<double>(blocks * rules.heads) * rules.empty_block_seconds;
}

/// The cheapest way to cut the classes into bundles of neighbours.
std::vector<Bundle> best_bundles(const std::vector<Bundle>& classes, const GroupingRules& rules) {
  const std::size_t count = classes.size();
  std::vector<double> best(count + 1, std::numeric_limits<double>::infinity());
  std::vector<Bundle> last(count + 1);
  std::vector<std::size_t> previous(count + 1, 0);
  best[0] = 0.0;
  for (std::size_t end = 1; end <= count; ++end) {
    for (std::size_t begin = 0; begin < end; ++begin) {
      Bundle bundle = classes[begin];
      for (std::size_t i = begin + 1; i < end; ++i) {
        bundle.end = classes[i].end;
        bundle.real_blocks += classes[i].real_blocks;
      }
      const double cost = best[begin] + cost_of(bundle, rules);
      if (cost < best[end]) {
        best[end] = cost;
        last[end] = bundle;
        previous[end] = begin;
      }
    }
  }
  std::vector<Bundle> bundles;
  for (std::size_t end = count; end > 0; end = previous[end]) bundles.push_back(last[end]);
  std::reverse(bundles.begin(), bundles.end());
  return bundles;
}

std::int32_t longest_kv(std::span<const Part> parts) {
  std::int32_t longest = 0;
  for (const Part& part : parts) longest = std::max(longest, part.kv_len);
  return longest;
}

/// Cuts parts into calls of one shape. Offsets that ascend are the usual case for cuDNN.
void append_calls(std::vector<Part> parts, Mask mask, std::int32_t max_q, BatchPadding padding,
                  std::vector<Group>& groups) {
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.q_begin < b.q_begin; });
  std::size_t begin = 0;
  for (const auto& [count, batch] : batches_of(parts.size(), padding)) {
    const auto first = parts.begin() + static_cast<std::ptrdiff_t>(begin);
    Group group{mask, {first, first + count}, batch, max_q, max_q};
    // One class for both lengths where the keys allow it. The forward grid does not depend on the
    // number of keys, and of rectangles there are few.
    const std::int32_t keys = longest_kv(group.parts);
    if (mask == Mask::none || keys > max_q) group.max_kv = coarse_bucket(keys);
    groups.push_back(std::move(group));
    begin += static_cast<std::size_t>(count);
  }
}

/// Groups by the length of the queries.
std::vector<Group> group_by_length(std::vector<Part> parts, Mask mask, const GroupingRules& rules) {
  const auto bucket = [](const Part& part) { return length_bucket(part.q_len); };
  std::sort(parts.begin(), parts.end(), [&](const Part& a, const Part& b) {
    return std::tuple(-bucket(a), a.q_begin) < std::tuple(-bucket(b), b.q_begin);
  });
  std::vector<Bundle> classes;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (classes.empty() || classes.back().max_q != bucket(parts[i])) {
      classes.push_back({i, i, bucket(parts[i]), 0});
    }
    classes.back().end = i + 1;
    classes.back().real_blocks += blocks_of(parts[i].q_len);
  }
  std::vector<Group> groups;
  for (const Bundle& bundle : best_bundles(classes, rules)) {
    append_calls({parts.begin() + static_cast<std::ptrdiff_t>(bundle.begin),
                  parts.begin() + static_cast<std::ptrdiff_t>(bundle.end)},
                 mask, bundle.max_q, rules.padding, groups);
  }
  return groups;
}

/// Groups of rectangles: a rank has one for each chunk that begins inside a document, so sharing
/// calls between shapes would gain nothing.
std::vector<Group> group_by_shape(std::vector<Part> parts, const GroupingRules& rules) {
  const auto shape = [](const Part& part) {
    return std::pair(-coarse_bucket(part.q_len), -coarse_bucket(part.kv_len));
  };
  std::sort(parts.begin(), parts.end(), [&](const Part& a, const Part& b) {
    return std::pair(shape(a), a.q_begin) < std::pair(shape(b), b.q_begin);
  });
  std::vector<Group> groups;
  for (auto begin = parts.begin(); begin != parts.end();) {
    const auto end = std::find_if(begin, parts.end(),
                                  [&](const Part& part) { return shape(part) != shape(*begin); });
    append_calls({begin, end}, Mask::none, -shape(*begin).first, rules.padding, groups);
    begin = end;
  }
  return groups;
}

/// Deals parts to passes so that within one no two share a key: each goes to the first pass whose
/// keys end before its own begin. That needs as few passes as there can be.
std::vector<std::vector<Part>> without_shared_keys(std::vector<Part> parts) {
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return std::tuple(a.kv_begin, a.q_begin) < std::tuple(b.kv_begin, b.q_begin);
  });
  std::vector<std::vector<Part>> passes;
  std::vector<std::int64_t> ends;
  for (const Part& part : parts) {
    const auto free = std::find_if(ends.begin(), ends.end(),
                                   [&](std::int64_t end) { return end <= part.kv_begin; });
    const auto index = static_cast<std::size_t>(free - ends.begin());
    if (free == ends.end()) {
      ends.push_back(0);
      passes.emplace_back();
    }
    ends[index] = std::int64_t{part.kv_begin} + part.kv_len;
    passes[index].push_back(part);
  }
  return passes;
}

void append_passes(std::vector<Part> parts, Mask mask, const GroupingRules& rules,
                   std::vector<BackwardPass>& passes) {
  for (std::vector<Part>& members : without_shared_keys(std::move(parts))) {
    BackwardPass pass{mask, {}, {}, {}};
    for (const Part& part : members) {
      pass.q_ranges.push_back({part.q_begin, part.q_len});
      pass.kv_ranges.push_back({part.kv_begin, part.kv_len});
    }
    pass.q_ranges = merged(std::move(pass.q_ranges));
    pass.kv_ranges = merged(std::move(pass.kv_ranges));
    pass.groups = mask == Mask::none ? group_by_shape(std::move(members), rules)
                                     : group_by_length(std::move(members), mask, rules);
    passes.push_back(std::move(pass));
  }
}

}  // namespace

std::int32_t length_bucket(std::int32_t length) {
  const auto blocks = static_cast<std::uint32_t>(blocks_of(std::max(length, 1)));
  return static_cast<std::int32_t>(std::bit_ceil(blocks)) * kBlockRows;
}

std::int32_t coarse_bucket(std::int32_t length) {
  std::int32_t bucket = 4 * kBlockRows;
  while (bucket < length) bucket *= 4;
  return bucket;
}

std::vector<RowRange> merged(std::vector<RowRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const RowRange& a, const RowRange& b) { return a.begin < b.begin; });
  std::vector<RowRange> result;
  for (const RowRange& range : ranges) {
    if (range.count <= 0) continue;
    if (!result.empty() && range.begin <= result.back().begin + result.back().count) {
      const std::int64_t end =
          std::max(result.back().begin + result.back().count, range.begin + range.count);
      result.back().count = end - result.back().begin;
    } else {
      result.push_back(range);
    }
  }
  return result;
}

std::vector<Group> forward_groups(std::span<const AttentionSegment> segments,
                                  const GroupingRules& rules) {
  std::vector<Part> parts;
  parts.reserve(segments.size());
  for (const AttentionSegment& s : segments) {
    parts.push_back({s.q_begin, s.q_len, s.kv_begin, s.kv_len});
  }
  return group_by_length(std::move(parts), Mask::bottom_right, rules);
}

std::vector<BackwardPass> backward_passes(std::span<const AttentionSegment> segments,
                                          const GroupingRules& rules) {
  std::vector<Part> squares;
  std::vector<Part> rectangles;
  for (const AttentionSegment& s : segments) {
    const std::int32_t before = s.kv_len - s.q_len;
    squares.push_back({s.q_begin, s.q_len, s.kv_begin + before, s.q_len});
    if (before > 0) rectangles.push_back({s.q_begin, s.q_len, s.kv_begin, before});
  }
  std::vector<BackwardPass> passes;
  append_passes(std::move(squares), Mask::top_left, rules, passes);
  append_passes(std::move(rectangles), Mask::none, rules, passes);
  return passes;
}

}  // namespace longhaul::cudnn
