// What goes into which cuDNN call: host arithmetic, no GPU.

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "compute/cuda/cudnn/cudnn_groups.h"
#include "compute/cuda/cudnn/cudnn_metadata.h"
#include "compute/cuda/cudnn/cudnn_program.h"
#include "compute/cuda/cudnn/cudnn_sizes.h"
#include "core/error.h"

namespace longhaul::cudnn {
namespace {

constexpr GroupingRules kRules{.heads = 8, .call_seconds = 30e-6, .empty_block_seconds = 15e-9};

GroupingRules rules_with(double call_seconds, double empty_block_seconds) {
  GroupingRules rules = kRules;
  rules.call_seconds = call_seconds;
  rules.empty_block_seconds = empty_block_seconds;
  return rules;
}

/// Documents end to end, all queries present.
std::vector<AttentionSegment> documents(const std::vector<std::int32_t>& lengths) {
  std::vector<AttentionSegment> segments;
  std::int32_t begin = 0;
  for (const std::int32_t length : lengths) {
    segments.push_back({begin, length, begin, length});
    begin += length;
  }
  return segments;
}

/// What rank `rank` of `cp` has of documents of these lengths.
std::vector<AttentionSegment> rank_segments(const std::vector<std::int32_t>& lengths, int cp,
                                            int rank) {
  std::int32_t total = 0;
  for (const std::int32_t length : lengths) total += length;
  const std::int32_t chunk = total / (2 * cp);
  std::vector<AttentionSegment> segments;
  for (int half = 0; half < 2; ++half) {
    const std::int32_t begin = (half == 0 ? rank : 2 * cp - 1 - rank) * chunk;
    std::int32_t document = 0;
    for (const std::int32_t length : lengths) {
      const std::int32_t first = std::max(begin, document);
      const std::int32_t last = std::min(begin + chunk, document + length);
      if (first < last) {
        segments.push_back({half * chunk + first - begin, last - first, document, last - document});
      }
      document += length;
    }
  }
  return segments;
}

/// Counts of the (query row, key) pairs that some calls compute.
using Pairs = std::map<std::pair<std::int64_t, std::int64_t>, int>;

void add_pairs(const Group& group, Pairs& pairs) {
  for (const Part& part : group.parts) {
    for (std::int64_t i = 0; i < part.q_len; ++i) {
      const std::int64_t seen = group.mask == Mask::none ? part.kv_len
                                : group.mask == Mask::top_left
                                    ? i + 1
                                    : std::int64_t{part.kv_len} - part.q_len + i + 1;
      for (std::int64_t j = 0; j < seen; ++j) ++pairs[{part.q_begin + i, part.kv_begin + j}];
    }
  }
}

Pairs expected_pairs(const std::vector<AttentionSegment>& segments) {
  Pairs pairs;
  for (const AttentionSegment& s : segments) {
    for (std::int64_t i = 0; i < s.q_len; ++i) {
      for (std::int64_t j = 0; j < std::int64_t{s.kv_len} - s.q_len + i + 1; ++j) {
        ++pairs[{s.q_begin + i, s.kv_begin + j}];
      }
    }
  }
  return pairs;
}

void expect_fits(const Group& group) {
  EXPECT_GE(group.batch, static_cast<std::int32_t>(group.parts.size()));
  EXPECT_LE(group.batch, kMaxBatch);
  EXPECT_EQ(group.batch & (group.batch - 1), 0) << group.batch;
  EXPECT_EQ(length_bucket(group.max_q), group.max_q);
  EXPECT_EQ(length_bucket(group.max_kv), group.max_kv);
  for (std::size_t i = 0; i < group.parts.size(); ++i) {
    EXPECT_LE(group.parts[i].q_len, group.max_q);
    EXPECT_LE(group.parts[i].kv_len, group.max_kv);
    if (i > 0) {
      EXPECT_LT(group.parts[i - 1].q_begin, group.parts[i].q_begin);
    }
  }
}

/// Rows covered by ranges; fails when they are not ascending and apart.
std::set<std::int64_t> rows_of(const std::vector<RowRange>& ranges) {
  std::set<std::int64_t> rows;
  std::int64_t end = -1;
  for (const RowRange& range : ranges) {
    EXPECT_GT(range.begin, end);
    EXPECT_GT(range.count, 0);
    end = range.begin + range.count;
    for (std::int64_t row = range.begin; row < end; ++row) rows.insert(row);
  }
  return rows;
}

void expect_right_backward(const std::vector<AttentionSegment>& segments,
                           const GroupingRules& rules) {
  Pairs pairs;
  std::set<std::int64_t> written_dq;
  bool rectangles = false;
  for (const BackwardPass& pass : backward_passes(segments, rules)) {
    std::set<std::int64_t> q_rows;
    std::set<std::int64_t> kv_rows;
    for (const Group& group : pass.groups) {
      EXPECT_EQ(group.mask, pass.mask);
      expect_fits(group);
      add_pairs(group, pairs);
      for (const Part& part : group.parts) {
        if (group.mask == Mask::top_left) {
          EXPECT_EQ(part.q_len, part.kv_len);
        }
        for (std::int64_t i = 0; i < part.q_len; ++i) {
          EXPECT_TRUE(q_rows.insert(part.q_begin + i).second) << "a query row twice in a pass";
        }
        for (std::int64_t j = 0; j < part.kv_len; ++j) {
          EXPECT_TRUE(kv_rows.insert(part.kv_begin + j).second) << "a key twice in a pass";
        }
      }
    }
    EXPECT_EQ(rows_of(pass.q_ranges), q_rows);
    EXPECT_EQ(rows_of(pass.kv_ranges), kv_rows);
    // Squares overwrite dq, rectangles add to it: squares first, each row in exactly one.
    if (pass.mask == Mask::top_left) {
      EXPECT_FALSE(rectangles);
      for (const std::int64_t row : q_rows) EXPECT_TRUE(written_dq.insert(row).second);
    } else {
      rectangles = true;
      for (const std::int64_t row : q_rows) EXPECT_TRUE(written_dq.contains(row));
    }
  }
  EXPECT_EQ(pairs, expected_pairs(segments));
}

TEST(LengthBucket, IsAPowerOfTwoFrom128On) {
  const std::pair<std::int32_t, std::int32_t> cases[] = {{1, 128},
                                                         {128, 128},
                                                         {129, 256},
                                                         {256, 256},
                                                         {4097, 8192},
                                                         {65536, 65536},
                                                         {65537, 131072},
                                                         {1 << 20, 1 << 20},
                                                         {300, 512},
                                                         {20000, 32768},
                                                         {(1 << 20) + 1, 1 << 21}};
  for (const auto& [length, bucket] : cases) EXPECT_EQ(length_bucket(length), bucket) << length;
}

TEST(CoarseBucket, IsAPowerOfFourTimes512) {
  const std::pair<std::int32_t, std::int32_t> cases[] = {
      {1, 512}, {512, 512}, {513, 2048}, {8192, 8192}, {8193, 32768}, {1 << 20, 1 << 21}};
  for (const auto& [length, bucket] : cases) EXPECT_EQ(coarse_bucket(length), bucket) << length;
}

TEST(MergedRanges, TouchingAndOverlappingOnesBecomeOne) {
  const std::vector<RowRange> ranges{{10, 5}, {0, 4}, {15, 1}, {30, 2}, {4, 3}, {20, 0}, {31, 4}};
  const std::vector<RowRange> expected{{0, 7}, {10, 6}, {30, 5}};
  EXPECT_EQ(merged(ranges), expected);
  EXPECT_TRUE(merged({}).empty());
}

TEST(ForwardGroups, CoverEveryPairOnce) {
  for (const auto& segments :
       {documents({1}), documents({200, 5, 129, 128, 1, 7}), rank_segments({50, 150, 56}, 2, 0),
        rank_segments({50, 150, 56}, 2, 1), rank_segments({320}, 4, 2)}) {
    for (const GroupingRules& rules : {kRules, rules_with(0.0, 1.0), rules_with(1.0, 0.0)}) {
      Pairs pairs;
      for (const Group& group : forward_groups(segments, rules)) {
        EXPECT_EQ(group.mask, Mask::bottom_right);
        EXPECT_GE(group.max_kv, group.max_q);
        expect_fits(group);
        add_pairs(group, pairs);
      }
      EXPECT_EQ(pairs, expected_pairs(segments));
    }
  }
  EXPECT_TRUE(forward_groups({}, kRules).empty());
}

TEST(ForwardGroups, FreeCallsSeparateClassesAndFreeBlocksMergeThem) {
  const auto segments = documents({4000, 300, 2000, 310, 290, 4000});
  const auto apart = forward_groups(segments, rules_with(0.0, 1.0));
  ASSERT_EQ(apart.size(), 3U);  // 4096, 2048, 512
  EXPECT_EQ(apart[0].max_q, 4096);
  EXPECT_EQ(apart[0].batch, 2);
  EXPECT_EQ(apart[1].max_q, 2048);
  EXPECT_EQ(apart[1].batch, 1);
  EXPECT_EQ(apart[2].max_q, 512);
  EXPECT_EQ(apart[2].parts.size(), 3U);
  EXPECT_EQ(apart[2].batch, 4);
  const auto together = forward_groups(segments, rules_with(1.0, 0.0));
  ASSERT_EQ(together.size(), 1U);
  EXPECT_EQ(together[0].max_q, 4096);
  EXPECT_EQ(together[0].batch, 8);
}

TEST(ForwardGroups, UnequalDocumentsOfAPackShareFewCalls) {
  // A pack of 64k: the estimate has to find that a handful of calls is cheapest.
  const auto segments = documents({20000, 9000, 7000, 5000, 4000, 4000, 4000, 3000, 2500, 2000,
                                   1200, 900, 700, 600, 500, 400, 350, 300, 86});
  const auto groups = forward_groups(segments, kRules);
  EXPECT_GE(groups.size(), 1U);
  EXPECT_LE(groups.size(), 4U);
  std::int64_t blocks = 0;
  std::int64_t padded = 0;
  for (const Group& group : groups) {
    padded += std::int64_t{group.batch} * group.max_q / kBlockRows;
    for (const Part& part : group.parts) blocks += (part.q_len + kBlockRows - 1) / kBlockRows;
  }
  // Its estimate against that of one call, and of one call for each class.
  const auto cost = [&](const std::vector<Group>& some) {
    double seconds = 0.0;
    for (const Group& group : some) {
      std::int64_t empty = std::int64_t{group.batch} * group.max_q / kBlockRows;
      for (const Part& part : group.parts) empty -= (part.q_len + kBlockRows - 1) / kBlockRows;
      seconds += kRules.call_seconds +
                 static_cast<double>(empty * kRules.heads) * kRules.empty_block_seconds;
    }
    return seconds;
  };
  EXPECT_LE(cost(groups), cost(forward_groups(segments, rules_with(1.0, 0.0))));
  EXPECT_LE(cost(groups), cost(forward_groups(segments, rules_with(0.0, 1.0))));
}

TEST(ForwardGroups, LargeBatchesAreCut) {
  const auto segments = documents(std::vector<std::int32_t>(1200, 7));
  const auto groups = forward_groups(segments, kRules);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].parts.size(), 512U);
  EXPECT_EQ(groups[2].parts.size(), 176U);
  EXPECT_EQ(groups[2].batch, 256);
}

TEST(ForwardGroups, WithoutPaddingEveryEntryOfABatchHasRows) {
  GroupingRules rules = kRules;
  rules.padding = BatchPadding::none;
  const auto segments = documents({200, 200, 200, 200, 200, 300, 300});
  std::size_t parts = 0;
  for (const Group& group : forward_groups(segments, rules)) {
    EXPECT_EQ(static_cast<std::size_t>(group.batch), group.parts.size());
    parts += group.parts.size();
  }
  EXPECT_EQ(parts, segments.size());
}

TEST(BackwardPasses, SquaresAndRectanglesCoverEveryPairOnce) {
  for (const auto& segments :
       {documents({1}), documents({200, 5, 129, 128, 1, 7}), rank_segments({50, 150, 56}, 2, 0),
        rank_segments({50, 150, 56}, 2, 1), rank_segments({320}, 4, 2), rank_segments({320}, 2, 0),
        rank_segments({1, 99, 10, 1, 81}, 2, 1)}) {
    for (const GroupingRules& rules : {kRules, rules_with(0.0, 1.0), rules_with(1.0, 0.0)}) {
      expect_right_backward(segments, rules);
    }
  }
  EXPECT_TRUE(backward_passes({}, kRules).empty());
}

TEST(BackwardPasses, DocumentsWithTheirOwnKeysNeedOnePass) {
  const auto passes = backward_passes(documents({300, 5000, 129}), kRules);
  ASSERT_EQ(passes.size(), 1U);
  EXPECT_EQ(passes[0].mask, Mask::top_left);
  EXPECT_EQ(passes[0].kv_ranges, (std::vector<RowRange>{{0, 5429}}));
}

TEST(BackwardPasses, ARankWithTwoChunksOfADocumentNeedsThree) {
  // The squares, then the rectangles, which share keys, one by one.
  const auto passes = backward_passes(rank_segments({8192}, 4, 1), kRules);
  ASSERT_EQ(passes.size(), 3U);
  EXPECT_EQ(passes[0].mask, Mask::top_left);
  EXPECT_EQ(passes[1].mask, Mask::none);
  EXPECT_EQ(passes[2].mask, Mask::none);
}

TEST(BackwardPasses, SegmentsThatShareKeysInEveryWay) {
  expect_right_backward({{0, 40, 10, 50}, {40, 40, 10, 380}, {80, 20, 0, 20}, {100, 20, 0, 25}},
                        kRules);
  std::mt19937 random(5);
  for (int round = 0; round < 30; ++round) {
    std::vector<AttentionSegment> segments;
    std::int32_t q = 0;
    for (int i = 0; i < 6; ++i) {
      const auto pick = [&](int n) {
        return static_cast<std::int32_t>(random() % static_cast<unsigned>(n));
      };
      const std::int32_t q_len = 1 + pick(40);
      q += pick(4);
      segments.push_back({q, q_len, pick(30), q_len + (i % 2 == 0 ? 0 : pick(60))});
      q += q_len;
    }
    expect_right_backward(segments, kRules);
  }
}

TEST(Metadata, TablesHoldElementOffsetsAndLengths) {
  const Group group{Mask::none, {{5, 3, 100, 7}, {20, 4, 50, 9}}, 4, 128, 128};
  const RowStrides strides{10, 20, 30, 40, 2, 50, 60, 70, 80};
  const MetadataLayout layout(4, kBackwardTensors);
  std::vector<std::byte> image(layout.bytes());
  layout.write(group, strides, image.data());
  const auto offsets = [&](int tensor) {
    std::vector<std::int64_t> table(5);
    std::memcpy(table.data(), image.data() + layout.offsets_at(tensor), 5 * sizeof(std::int64_t));
    return table;
  };
  for (const int tensor : {kQ, kO, kStats, kDO, kDQ}) {
    const std::int64_t s = strides[static_cast<std::size_t>(tensor)];
    EXPECT_EQ(offsets(tensor), (std::vector<std::int64_t>{5 * s, 20 * s, 24 * s, 24 * s, 24 * s}));
  }
  for (const int tensor : {kK, kV, kDK, kDV}) {
    const std::int64_t s = strides[static_cast<std::size_t>(tensor)];
    EXPECT_EQ(offsets(tensor),
              (std::vector<std::int64_t>{100 * s, 50 * s, 59 * s, 59 * s, 59 * s}));
  }
  const auto lengths = [&](std::size_t at) {
    std::vector<std::int32_t> table(4);
    std::memcpy(table.data(), image.data() + at, 4 * sizeof(std::int32_t));
    return table;
  };
  EXPECT_EQ(lengths(layout.q_lengths_at()), (std::vector<std::int32_t>{3, 4, 0, 0}));
  EXPECT_EQ(lengths(layout.kv_lengths_at()), (std::vector<std::int32_t>{7, 9, 0, 0}));
  for (int t = 0; t <= kBackwardTensors; ++t) EXPECT_EQ(layout.offsets_at(t) % 16, 0U);
  EXPECT_EQ(layout.kv_lengths_at() % 16, 0U);
}

TEST(Programs, OffsetsBeyond32BitsAreKept) {
  const Group group{Mask::top_left, {{1 << 20, 10, 1 << 20, 10}}, 1, 128, 128};
  RowStrides strides{};
  strides[kQ] = 8192;
  const MetadataLayout layout(1, kForwardTensors);
  std::vector<std::byte> image(layout.bytes());
  layout.write(group, strides, image.data());
  std::int64_t offset = 0;
  std::memcpy(&offset, image.data() + layout.offsets_at(kQ), sizeof(offset));
  EXPECT_EQ(offset, std::int64_t{8192} << 20);
}

TEST(Programs, TablesThatDoNotFitAtOnceComeInRounds) {
  PlanShape base;
  base.direction = Direction::backward;
  base.heads = 8;
  const auto segments = documents(std::vector<std::int32_t>(3000, 3));
  const std::size_t round_bytes = 2 * MetadataLayout(kMaxBatch, kBackwardTensors).bytes();
  const Program program = make_program(segments, base, kRules, round_bytes);
  ASSERT_EQ(program.steps.size(), 6U);
  EXPECT_EQ(program.rounds.size(), 3U);
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Step& step = program.steps[i];
    EXPECT_EQ(step.round, i / 2);
    EXPECT_LE(step.metadata + MetadataLayout(step.shape.batch, kBackwardTensors).bytes(),
              program.rounds[step.round].size());
    EXPECT_LE(program.rounds[step.round].size(), round_bytes);
  }
  EXPECT_THROW((void)make_program(segments, base, kRules, 1000), InternalError);
}

TEST(Programs, EqualShapesForPacksThatDifferLittle) {
  PlanShape base;
  base.heads = 8;
  std::set<PlanShape> shapes;
  std::mt19937 random(3);
  for (int pack = 0; pack < 50; ++pack) {
    std::vector<std::int32_t> lengths;
    for (int i = 0; i < 12; ++i)
      lengths.push_back(4200 + static_cast<std::int32_t>(random() % 2000));
    for (const Step& step : make_program(documents(lengths), base, kRules, 1 << 20).steps) {
      shapes.insert(step.shape);
    }
  }
  EXPECT_EQ(shapes.size(), 1U);
}

TEST(Sizes, HeadsAreTakenInPartsWhenAllWouldNeedTooMuch) {
  const AttentionHeads heads{64, 8, 128, 0.1F};
  const std::size_t gib = std::size_t{1} << 30;
  const auto within = [&](std::size_t most) {
    return backward_sizes(65536, 65536, heads, Operands::in_place, most);
  };
  EXPECT_EQ(within(100 * gib).kv_heads, 8);
  EXPECT_EQ(within(100 * gib).operands, Operands::in_place);
  const BackwardSizes some = within(3 * gib);
  EXPECT_EQ(some.kv_heads, 2);
  EXPECT_EQ(some.operands, Operands::copied);
  EXPECT_EQ(query_heads(some, heads), 16);
  EXPECT_LE(backward_bytes(some, heads), 3 * gib);
  EXPECT_EQ(within(0).kv_heads, 1);
  const AttentionHeads six{12, 6, 128, 0.1F};
  const std::size_t three = backward_bytes({65536, 65536, 3, Operands::copied}, six);
  EXPECT_EQ(backward_sizes(65536, 65536, six, Operands::in_place, three).kv_heads, 3);
  EXPECT_EQ(backward_sizes(65536, 65536, six, Operands::in_place, three - 1).kv_heads, 2);
}

TEST(Sizes, TheFrontendsShareIsWhatItReserves) {
  // get_workspace_size() of cudnn-frontend 1.32 on cuDNN 9.19, less cuDNN's own 1152 bytes.
  const auto bytes = [](int heads, int kv_heads, int head_dim) {
    const AttentionHeads shape{heads, kv_heads, head_dim, 1.0F};
    return frontend_bytes(backward_shape({65536, 65536, kv_heads}, shape));
  };
  EXPECT_EQ(bytes(8, 1, 128), 807403520U);
  EXPECT_EQ(bytes(64, 8, 128), 6459228160U);
  EXPECT_EQ(bytes(14, 2, 64), 708313088U);
  EXPECT_EQ(bytes(40, 40, 80), 849346560U);
  EXPECT_EQ(bytes(2, 1, 16), 25690112U);
}

TEST(Sizes, ScratchIsWhatWasAnnounced) {
  const AttentionHeads heads{14, 2, 64, 0.125F};
  std::vector<std::byte> memory(1);  // only addresses are computed
  for (const Operands operands : {Operands::in_place, Operands::copied}) {
    const BackwardSizes sizes = backward_sizes(1000, 3000, heads, operands, std::size_t{1} << 30);
    EXPECT_EQ(sizes.operands, operands);
    const std::size_t total = backward_bytes(sizes, heads);
    Arena arena(memory.data(), total);
    const BackwardScratch scratch = backward_scratch(sizes, heads, arena, total);
    EXPECT_GE(scratch.plan_bytes, frontend_bytes(backward_shape(sizes, heads)) + kOwnBytes);
    EXPECT_EQ(scratch.plan - reinterpret_cast<std::byte*>(scratch.lse_rows),
              static_cast<std::ptrdiff_t>(total - scratch.plan_bytes));
    EXPECT_EQ(scratch.q != nullptr, operands == Operands::copied);
  }
}

TEST(Sizes, RowsOfQueriesHaveTheStrideOfTheirGradients) {
  const AttentionHeads heads{64, 8, 128, 0.1F};
  const PlanShape shape = backward_shape({65536, 65536, 2, Operands::copied}, heads);
  for (const int tensor : {kQ, kO, kDO, kDQ}) {
    EXPECT_EQ(shape.strides[static_cast<std::size_t>(tensor)], 16 * 128);
  }
  for (const int tensor : {kK, kV, kDK, kDV}) {
    EXPECT_EQ(shape.strides[static_cast<std::size_t>(tensor)], 2 * 128);
  }
}

TEST(Sizes, RoundedRowsAreFewAndCloseAbove) {
  for (std::int64_t rows = 1; rows < 200000; rows += 37) {
    const std::int64_t rounded = rounded_rows(rows);
    EXPECT_GE(rounded, rows);
    EXPECT_LE(rounded, std::max<std::int64_t>(rows + kBlockRows, rows + rows / 8 + 1));
  }
  EXPECT_EQ(rounded_rows(65536), 65536);
}

}  // namespace
}  // namespace longhaul::cudnn
