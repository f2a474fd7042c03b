#include "data/batches/micro_batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "comm/chunk_order.h"
#include "core/error.h"

namespace longhaul {
namespace {

struct OwnedDocument {
  std::vector<std::int32_t> tokens;
  std::vector<float> weights;
};

std::vector<Document> views(const std::vector<OwnedDocument>& documents) {
  std::vector<Document> result;
  for (const OwnedDocument& document : documents) {
    result.push_back({document.tokens.data(), document.weights.data(),
                      static_cast<std::int64_t>(document.tokens.size())});
  }
  return result;
}

/// The share of a CP rank.
MicroBatch make_batch(const std::vector<OwnedDocument>& documents, const ParallelLayout& layout,
                      int cp_rank, std::int64_t max_tokens) {
  MicroBatch batch;
  fill_micro_batch(views(documents), layout, cp_rank, max_tokens, batch);
  return batch;
}

/// Lengths as given; about half of the tokens without loss, in runs.
std::vector<OwnedDocument> make_documents(const std::vector<std::int64_t>& lengths,
                                          std::mt19937_64& random) {
  std::vector<OwnedDocument> documents;
  std::int32_t next_id = 1;  // distinct ids, so that a misplaced token is noticed
  for (const std::int64_t length : lengths) {
    OwnedDocument document;
    bool trained = false;
    for (std::int64_t i = 0; i < length; ++i) {
      document.tokens.push_back(next_id++);
      if (random() % 4 == 0) trained = !trained;
      document.weights.push_back(i > 0 && trained ? (random() % 5 == 0 ? 0.5F : 1.0F) : 0.0F);
    }
    documents.push_back(std::move(document));
  }
  return documents;
}

/// The whole stream, spelled out token by token.
struct Stream {
  std::vector<std::int32_t> ids, positions, document, targets;
  std::vector<float> weights;  // of the next token; 0 where there is none
};

Stream spell_out(const std::vector<OwnedDocument>& documents, std::int64_t stream_tokens) {
  Stream stream;
  std::int32_t number = 0;
  for (const OwnedDocument& document : documents) {
    for (std::size_t i = 0; i < document.tokens.size(); ++i) {
      const bool last = i + 1 == document.tokens.size();
      stream.ids.push_back(document.tokens[i]);
      stream.positions.push_back(static_cast<std::int32_t>(i));
      stream.document.push_back(number);
      stream.targets.push_back(last ? -1 : document.tokens[i + 1]);
      stream.weights.push_back(last ? 0.0F : document.weights[i + 1]);
    }
    ++number;
  }
  for (std::int32_t i = 0; static_cast<std::int64_t>(stream.ids.size()) < stream_tokens; ++i) {
    stream.ids.push_back(0);
    stream.positions.push_back(i);
    stream.document.push_back(number);
    stream.targets.push_back(-1);
    stream.weights.push_back(0.0F);
  }
  return stream;
}

/// Stream position of a local row, from the definition.
std::int64_t stream_position(std::int64_t row, std::int64_t stream_tokens, int cp, int cp_rank) {
  const std::int64_t chunk = stream_tokens / (2 * cp);
  const std::int64_t which = row < chunk ? cp_rank : 2 * cp - 1 - cp_rank;
  return which * chunk + row % chunk;
}

/// Checks one rank's batch against the stream; marks the stream tokens that it owns.
void check_rank(const MicroBatch& batch, const Stream& stream, const ParallelLayout& layout,
                int cp_rank, std::multiset<std::int64_t>& owned) {
  const std::int64_t local = batch.local_tokens;
  ASSERT_EQ(local * layout.cp, batch.stream_tokens);
  ASSERT_EQ(batch.ids.size(), static_cast<std::size_t>(local));
  ASSERT_EQ(batch.positions.size(), static_cast<std::size_t>(local));
  std::vector<std::int32_t> loss_rows, targets;
  std::vector<float> target_weights;
  for (std::int64_t row = 0; row < local; ++row) {
    const auto at =
        static_cast<std::size_t>(stream_position(row, batch.stream_tokens, layout.cp, cp_rank));
    owned.insert(static_cast<std::int64_t>(at));
    ASSERT_EQ(batch.ids[static_cast<std::size_t>(row)], stream.ids[at]);
    ASSERT_EQ(batch.positions[static_cast<std::size_t>(row)], stream.positions[at]);
    if (stream.weights[at] != 0.0F) {
      loss_rows.push_back(static_cast<std::int32_t>(row));
      targets.push_back(stream.targets[at]);
      target_weights.push_back(stream.weights[at]);
    }
  }
  EXPECT_EQ(batch.loss_rows, loss_rows);
  EXPECT_EQ(batch.targets, targets);
  EXPECT_EQ(batch.target_weights, target_weights);

  // Segments: they cover the local rows in order, and what each query sees is exactly the keys of
  // its own document up to itself.
  std::int64_t covered = 0;
  for (const AttentionSegment& segment : batch.segments) {
    ASSERT_EQ(segment.q_begin, covered);
    ASSERT_GE(segment.q_len, 1);
    ASSERT_GE(segment.kv_len, segment.q_len);
    covered += segment.q_len;
    for (std::int32_t i = 0; i < segment.q_len; ++i) {
      const std::int64_t query =
          stream_position(segment.q_begin + i, batch.stream_tokens, layout.cp, cp_rank);
      const std::int64_t seen = segment.kv_len - segment.q_len + i + 1;
      for (std::int64_t key = 0; key < batch.stream_tokens; ++key) {
        const bool visible = key >= segment.kv_begin && key < segment.kv_begin + seen;
        const bool wanted = key <= query && stream.document[static_cast<std::size_t>(key)] ==
                                                stream.document[static_cast<std::size_t>(query)];
        ASSERT_EQ(visible, wanted) << "query " << query << " key " << key;
      }
    }
  }
  EXPECT_EQ(covered, local);
}

void check_statistics(const MicroBatch& batch, const std::vector<OwnedDocument>& documents) {
  std::int64_t tokens = 0, trained = 0, squares = 0;
  double weight = 0.0;
  for (const OwnedDocument& document : documents) {
    const auto length = static_cast<std::int64_t>(document.tokens.size());
    tokens += length;
    squares += length * length;
    for (const float w : document.weights) {
      trained += w != 0.0F ? 1 : 0;
      weight += static_cast<double>(w);
    }
  }
  EXPECT_EQ(batch.real_tokens, tokens);
  EXPECT_EQ(batch.trained_tokens, trained);
  EXPECT_EQ(batch.documents, static_cast<std::int64_t>(documents.size()));
  EXPECT_EQ(batch.sum_squared_lengths, squares);
  EXPECT_DOUBLE_EQ(batch.weight_sum, weight);
}

void check_layout(const std::vector<OwnedDocument>& documents, const ParallelLayout& layout) {
  std::multiset<std::int64_t> owned;
  std::int64_t trained = 0;
  std::int64_t stream_tokens = 0;
  for (int cp_rank = 0; cp_rank < layout.cp; ++cp_rank) {
    const MicroBatch batch = make_batch(documents, layout, cp_rank, 4096);
    stream_tokens = batch.stream_tokens;
    const std::int64_t unit = 2 * layout.cp * layout.tp;
    ASSERT_EQ(stream_tokens % unit, 0);
    ASSERT_LT(stream_tokens - batch.real_tokens, batch.real_tokens == 0 ? unit + 1 : unit);
    check_statistics(batch, documents);
    check_rank(batch, spell_out(documents, stream_tokens), layout, cp_rank, owned);
    trained += static_cast<std::int64_t>(batch.loss_rows.size());
    if (cp_rank == layout.cp - 1) {
      EXPECT_EQ(batch.trained_tokens, trained);
    }
  }
  EXPECT_EQ(static_cast<std::int64_t>(owned.size()), stream_tokens);
  EXPECT_EQ(std::set<std::int64_t>(owned.begin(), owned.end()).size(), owned.size());
}

std::vector<ParallelLayout> layouts_up_to(int ranks) {
  std::vector<ParallelLayout> layouts;
  for (int tp = 1; tp <= ranks; ++tp) {
    for (int cp = 1; tp * cp <= ranks; ++cp) {
      for (int dp = 1; tp * cp * dp <= ranks; ++dp) layouts.push_back({tp, cp, dp});
    }
  }
  return layouts;
}

TEST(MicroBatch, AllRanksTogetherHoldTheStreamInEveryLayout) {
  std::mt19937_64 random(7);
  const std::vector<std::vector<std::int64_t>> cases = {
      {},                      // no packs for this rank
      {1},                     // nothing to predict
      {1, 1, 1, 1, 1},         // only such documents
      {64},                    // one document across every chunk
      {63, 1},                 // the last token alone
      {1, 30, 2, 17, 1, 5, 8}  // unequal
  };
  for (const ParallelLayout& layout : layouts_up_to(8)) {
    SCOPED_TRACE(layout.describe());
    for (const auto& lengths : cases) check_layout(make_documents(lengths, random), layout);
  }
}

TEST(MicroBatch, RandomDocumentsInEveryLayout) {
  std::mt19937_64 random(11);
  for (const ParallelLayout& layout : layouts_up_to(8)) {
    SCOPED_TRACE(layout.describe());
    for (int repeat = 0; repeat < 6; ++repeat) {
      std::vector<std::int64_t> lengths(random() % 9);
      for (std::int64_t& length : lengths) {
        length = 1 + static_cast<std::int64_t>(random() % (random() % 2 == 0 ? 4 : 40));
      }
      check_layout(make_documents(lengths, random), layout);
    }
  }
}

TEST(MicroBatch, KnownAnswer) {
  // Two documents of 5 and 8 tokens on cp 2, tp 1: T is 16, chunks of 4; rank 0 owns 0..3, 12..15.
  std::vector<OwnedDocument> documents(2);
  documents[0] = {{10, 11, 12, 13, 14}, {0, 0, 1, 0, 1}};
  documents[1] = {{20, 21, 22, 23, 24, 25, 26, 27}, {0, 0, 0, 0, 0, 0, 0, 2}};
  const ParallelLayout layout{1, 2, 1};
  const MicroBatch first = make_batch(documents, layout, 0, 16);
  EXPECT_EQ(first.ids, (std::vector<std::int32_t>{10, 11, 12, 13, 27, 0, 0, 0}));
  EXPECT_EQ(first.positions, (std::vector<std::int32_t>{0, 1, 2, 3, 7, 0, 1, 2}));
  // Token 14 is on the other rank, its loss belongs to the row of 13 here.
  EXPECT_EQ(first.loss_rows, (std::vector<std::int32_t>{1, 3}));
  EXPECT_EQ(first.targets, (std::vector<std::int32_t>{12, 14}));
  ASSERT_EQ(first.segments.size(), 3U);
  EXPECT_EQ(first.segments[1].q_begin, 4);
  EXPECT_EQ(first.segments[1].q_len, 1);
  EXPECT_EQ(first.segments[1].kv_begin, 5);
  EXPECT_EQ(first.segments[1].kv_len, 8);

  const MicroBatch second = make_batch(documents, layout, 1, 16);
  EXPECT_EQ(second.ids, (std::vector<std::int32_t>{14, 20, 21, 22, 23, 24, 25, 26}));
  EXPECT_EQ(second.loss_rows, (std::vector<std::int32_t>{7}));  // predicts 27, on the other rank
  EXPECT_EQ(second.targets, (std::vector<std::int32_t>{27}));
  EXPECT_EQ(second.target_weights, (std::vector<float>{2.0F}));
  // The last rank's two chunks touch: one segment for the document across them.
  ASSERT_EQ(second.segments.size(), 2U);
  EXPECT_EQ(second.segments[1].q_len, 7);
}

TEST(MicroBatch, EmptyStreamIsTheSmallestPaddedOne) {
  const ParallelLayout layout{2, 4, 1};
  MicroBatch batch;
  fill_micro_batch({}, layout, 1, 64, batch);
  EXPECT_EQ(batch.stream_tokens, 16);
  EXPECT_EQ(batch.local_tokens, 4);
  EXPECT_TRUE(batch.loss_rows.empty());
  EXPECT_EQ(batch.real_tokens, 0);
  EXPECT_EQ(batch.documents, 0);
  EXPECT_EQ(batch.weight_sum, 0.0);
  EXPECT_EQ(batch.ids, (std::vector<std::int32_t>(4, 0)));
}

TEST(MicroBatch, RefillingAllocatesNothingAndLeavesNothingBehind) {
  std::mt19937_64 random(3);
  const ParallelLayout layout{2, 2, 1};
  const auto large = make_documents({50, 40, 30}, random);
  const auto small = make_documents({7, 1}, random);
  MicroBatch batch;
  fill_micro_batch(views(large), layout, 0, 128, batch);
  const std::int32_t* ids = batch.ids.data();
  const float* weights = batch.target_weights.data();
  const AttentionSegment* segments = batch.segments.data();
  fill_micro_batch(views(small), layout, 0, 128, batch);
  const MicroBatch fresh = make_batch(small, layout, 0, 128);
  EXPECT_EQ(batch.ids, fresh.ids);
  EXPECT_EQ(batch.positions, fresh.positions);
  EXPECT_EQ(batch.loss_rows, fresh.loss_rows);
  EXPECT_EQ(batch.segments.size(), fresh.segments.size());
  check_statistics(batch, small);
  fill_micro_batch(views(large), layout, 0, 128, batch);
  EXPECT_EQ(batch.ids.data(), ids);
  EXPECT_EQ(batch.target_weights.data(), weights);
  EXPECT_EQ(batch.segments.data(), segments);
}

TEST(MicroBatch, RefusesMoreTokensThanPlanned) {
  std::mt19937_64 random(3);
  const auto documents = make_documents({50, 40}, random);
  MicroBatch batch;
  EXPECT_THROW(fill_micro_batch(views(documents), {1, 1, 1}, 0, 89, batch), InternalError);
  EXPECT_NO_THROW(fill_micro_batch(views(documents), {1, 1, 1}, 0, 90, batch));
  const Document empty{documents[0].tokens.data(), documents[0].weights.data(), 0};
  EXPECT_THROW(fill_micro_batch({&empty, 1}, {1, 1, 1}, 0, 90, batch), InternalError);
}

TEST(MicroBatch, ChunkOrderBringsGatheredRowsIntoStreamOrder) {
  std::mt19937_64 random(5);
  const auto documents = make_documents({33, 14, 90}, random);
  for (int cp = 1; cp <= 8; ++cp) {
    const ParallelLayout layout{1, cp, 1};
    std::vector<std::int32_t> gathered;
    std::int64_t stream_tokens = 0;
    for (int rank = 0; rank < cp; ++rank) {
      const MicroBatch batch = make_batch(documents, layout, rank, 512);
      gathered.insert(gathered.end(), batch.ids.begin(), batch.ids.end());
      stream_tokens = batch.stream_tokens;
    }
    const auto chunk = static_cast<std::size_t>(stream_tokens / (2 * cp));
    std::vector<std::int32_t> stream(gathered.size());
    const auto order = chunk_order(cp);
    const auto copy_chunk = [chunk](const auto& from, std::size_t i, auto& to, std::int32_t j) {
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(i * chunk), chunk,
                  to.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(j) * chunk));
    };
    for (std::size_t i = 0; i < order.size(); ++i) copy_chunk(gathered, i, stream, order[i]);
    EXPECT_EQ(stream, spell_out(documents, stream_tokens).ids);
  }
}

}  // namespace
}  // namespace longhaul
