#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bench/report.h"
#include "compute/backend.h"

namespace longhaul::bench {

struct AttentionOptions {
  std::vector<std::int64_t> lengths;  // of the documents of the stream
  AttentionHeads heads;
  int context_parallel = 1;  // the stream is shared by so many ranks,
  int cp_rank = 0;           // and this one's part is measured
  bool pack_against_equal = false;
  double seconds = 1.0;  // of one measurement, about
};

/// Times attention forward and backward over packed documents. FLOPs count what causal attention
/// needs: forward 4 * heads * head_dim for every pair of a query and a key that it sees (of a whole
/// document len * (len + 1) / 2), backward 2.5 times that. With pack_against_equal the same is
/// timed over n equal documents with the same sum of lengths and, as nearly as a whole n can, n =
/// (sum of lengths)^2 / (sum of squared lengths), the same sum of squares; results
/// `forward_against_equal` and `backward_against_equal` are the ratios of the rates.
void bench_attention(Backend& backend, const AttentionOptions& options, Report& report);

/// Pairs of queries and keys that the segments make.
double attention_pairs(std::span<const AttentionSegment> segments);

}  // namespace longhaul::bench
