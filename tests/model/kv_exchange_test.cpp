#include "model/kv_exchange.h"

#include <gtest/gtest.h>

#include "model/exchange_rank.h"

namespace longhaul {
namespace {

using testing::ExchangeRank;
using testing::HostMatrix;
using testing::sum_of;
using testing::value_of;

constexpr std::int64_t kChunk = 3;  // rows; a CP rank has two chunks

ModelConfig config_of_heads() {
  ModelConfig config;
  config.hidden_size = 8;
  config.intermediate_size = 8;
  config.num_layers = 1;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 4;
  config.vocab_size = 16;
  return config;
}

/// CP over all ranks, and over half of them beside another axis.
std::vector<ParallelLayout> layouts() {
  const int world = testing::world_size();
  if (world < 4) return {{1, world, 1}};
  return {{1, world, 1}, {2, world / 2, 1}, {1, 2, world / 2}};
}

class KvExchangeTest : public ::testing::TestWithParam<ParallelLayout> {
 protected:
  /// Where row `row` of this rank lies in the stream: it owns chunks r and 2 cp - 1 - r.
  [[nodiscard]] std::int64_t stream_row(std::int64_t row) const {
    const int chunk = row < kChunk ? cp_rank_ : 2 * cp_ - 1 - cp_rank_;
    return chunk * kChunk + row % kChunk;
  }

  ExchangeRank rank_{GetParam()};
  const ModelConfig config_ = config_of_heads();
  const ParameterTable table_{config_, rank_.grid()};
  const LocalSizes sizes_{config_, rank_.grid(), table_};
  const int cp_ = rank_.grid().size(Group::cp);
  const int cp_rank_ = rank_.grid().rank(Group::cp);
  const std::int64_t cols_ = 2 * sizes_.kv_cols;
  const TokenCounts tokens_{2 * kChunk * cp_, sizes_};
  KvExchange exchange_{rank_.runtime(), sizes_};
};

TEST_P(KvExchangeTest, GathersKeysAndValuesInStreamOrder) {
  const auto in_stream = [](std::int64_t row, std::int64_t col) { return value_of(0, row, col); };
  HostMatrix local(tokens_.local, cols_, [&](std::int64_t row, std::int64_t col) {
    return in_stream(stream_row(row), col);
  });
  HostMatrix chunks(tokens_.stream, cols_);
  HostMatrix stream(tokens_.stream, cols_);
  LayerScratch scratch;
  if (cp_ > 1) scratch.kv_chunks = chunks.data();
  exchange_.start_gather(local.view(), scratch);
  exchange_.finish_gather(stream.view(), scratch);
  if (cp_ == 1) {
    // The local rows are the stream already, and nothing is copied.
    EXPECT_EQ(stream, HostMatrix(tokens_.stream, cols_));
    EXPECT_EQ(local, HostMatrix(tokens_.stream, cols_, in_stream));
  } else {
    EXPECT_EQ(stream, HostMatrix(tokens_.stream, cols_, in_stream));
  }
}

TEST_P(KvExchangeTest, SumsGradientsOfTheLocalRows) {
  HostMatrix stream(tokens_.stream, cols_, [&](std::int64_t row, std::int64_t col) {
    return value_of(cp_rank_, row, col);
  });
  const HostMatrix before = stream;
  HostMatrix chunks(tokens_.stream, cols_);
  HostMatrix sums(tokens_.local, cols_);
  HostMatrix d_local(tokens_.local, cols_);
  LayerScratch scratch;
  if (cp_ > 1) {
    scratch.d_kv_stream = stream.data();
    scratch.d_kv_chunks = chunks.data();
    scratch.d_kv_local = sums.data();
  }
  exchange_.start_reduce(tokens_, scratch);
  exchange_.finish_reduce(d_local.view(), scratch);
  if (cp_ == 1) {
    EXPECT_EQ(d_local, HostMatrix(tokens_.local, cols_));
  } else {
    EXPECT_EQ(d_local, HostMatrix(tokens_.local, cols_, [&](std::int64_t row, std::int64_t col) {
                return sum_of(cp_, stream_row(row), col);
              }));
    EXPECT_EQ(stream, before);
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, KvExchangeTest, ::testing::ValuesIn(layouts()));

}  // namespace
}  // namespace longhaul
