#include "data/batches/micro_batch.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.h"
#include "core/rounding.h"

namespace longhaul {
namespace {

/// A run of consecutive stream tokens that lies at consecutive local rows.
struct LocalRange {
  std::int64_t stream_begin;
  std::int64_t stream_end;
  std::int64_t local_begin;
};

/// The one or two runs that a rank owns. The last CP rank's chunks touch in the stream too, so they
/// are one run there: a document across them is one segment instead of two.
struct LocalRanges {
  std::array<LocalRange, 2> range;
  int count;
};

LocalRanges local_ranges(std::int64_t stream_tokens, int cp, int cp_rank) {
  const std::int64_t chunks = std::int64_t{2} * cp;
  const std::int64_t chunk = stream_tokens / chunks;
  const std::int64_t early = cp_rank * chunk;
  const std::int64_t late = (chunks - 1 - cp_rank) * chunk;
  if (early + chunk == late) return {{{{early, late + chunk, 0}, {}}}, 1};
  return {{{{early, early + chunk, 0}, {late, late + chunk, chunk}}}, 2};
}

/// Adds the statistics of a document to those of the stream.
void count_document(const Document& document, MicroBatch& batch) {
  batch.real_tokens += document.length;
  batch.documents += 1;
  batch.sum_squared_lengths += document.length * document.length;
  for (std::int64_t i = 1; i < document.length; ++i) {
    const float weight = document.weights[i];
    batch.trained_tokens += weight != 0.0F ? 1 : 0;
    batch.weight_sum += static_cast<double>(weight);
  }
}

/// Writes what `range` holds of a document that begins at `begin` in the stream. Null tokens are
/// padding.
void place_document(const Document& document, std::int64_t begin, const LocalRange& range,
                    MicroBatch& batch) {
  const std::int64_t from = std::max(begin, range.stream_begin);
  const std::int64_t to = std::min(begin + document.length, range.stream_end);
  if (from >= to) return;
  const std::int64_t row = range.local_begin + from - range.stream_begin;
  const std::int64_t first = from - begin;  // position of that row in the document
  const std::int64_t count = to - from;
  batch.segments.push_back({.q_begin = static_cast<std::int32_t>(row),
                            .q_len = static_cast<std::int32_t>(count),
                            .kv_begin = static_cast<std::int32_t>(begin),
                            .kv_len = static_cast<std::int32_t>(first + count)});
  for (std::int64_t i = 0; i < count; ++i) {
    batch.positions[static_cast<std::size_t>(row + i)] = static_cast<std::int32_t>(first + i);
  }
  if (document.tokens == nullptr) {
    std::fill_n(batch.ids.begin() + row, count, 0);
    return;
  }
  std::copy_n(document.tokens + first, count, batch.ids.begin() + row);
  // The last token of a document predicts nothing.
  const std::int64_t predicting = std::min(count, document.length - 1 - first);
  for (std::int64_t i = 0; i < predicting; ++i) {
    const float weight = document.weights[first + i + 1];
    if (weight == 0.0F) continue;
    batch.loss_rows.push_back(static_cast<std::int32_t>(row + i));
    batch.targets.push_back(document.tokens[first + i + 1]);
    batch.target_weights.push_back(weight);
  }
}

void clear(MicroBatch& batch) {
  batch.loss_rows.clear();
  batch.targets.clear();
  batch.target_weights.clear();
  batch.segments.clear();
  batch.real_tokens = 0;
  batch.trained_tokens = 0;
  batch.documents = 0;
  batch.sum_squared_lengths = 0;
  batch.weight_sum = 0.0;
}

void reserve(std::int64_t local_tokens, MicroBatch& batch) {
  const auto rows = static_cast<std::size_t>(local_tokens);
  batch.ids.reserve(rows);
  batch.positions.reserve(rows);
  batch.loss_rows.reserve(rows);
  batch.targets.reserve(rows);
  batch.target_weights.reserve(rows);
  batch.segments.reserve(rows);  // at least one row each
}

}  // namespace

std::int64_t padded_stream_tokens(std::int64_t tokens, const ParallelLayout& layout) {
  const std::int64_t unit = std::int64_t{2} * layout.cp * layout.tp;
  return round_up(std::max<std::int64_t>(1, tokens), unit);
}

void fill_micro_batch(std::span<const Document> documents, const ParallelLayout& layout,
                      int cp_rank, std::int64_t max_tokens, MicroBatch& batch) {
  LONGHAUL_CHECK(cp_rank >= 0 && cp_rank < layout.cp, "CP rank {} of {}", cp_rank, layout.cp);
  LONGHAUL_CHECK(max_tokens <= std::numeric_limits<std::int32_t>::max(),
                 "a stream of {} tokens; rows are counted in 32 bits", max_tokens);
  clear(batch);
  for (const Document& document : documents) {
    LONGHAUL_CHECK(document.length >= 1, "a document of {} tokens", document.length);
    count_document(document, batch);
  }
  batch.stream_tokens = padded_stream_tokens(batch.real_tokens, layout);
  LONGHAUL_CHECK(batch.stream_tokens <= max_tokens,
                 "{} documents fill a stream of {} tokens where {} were planned", documents.size(),
                 batch.stream_tokens, max_tokens);
  batch.local_tokens = batch.stream_tokens / layout.cp;
  reserve(max_tokens / layout.cp, batch);
  batch.ids.resize(static_cast<std::size_t>(batch.local_tokens));
  batch.positions.resize(static_cast<std::size_t>(batch.local_tokens));

  const LocalRanges ranges = local_ranges(batch.stream_tokens, layout.cp, cp_rank);
  const Document padding{.length = batch.stream_tokens - batch.real_tokens};
  for (int i = 0; i < ranges.count; ++i) {
    const LocalRange& range = ranges.range[static_cast<std::size_t>(i)];
    std::int64_t begin = 0;
    for (const Document& document : documents) {
      place_document(document, begin, range, batch);
      begin += document.length;
    }
    place_document(padding, begin, range, batch);
  }
}

}  // namespace longhaul
