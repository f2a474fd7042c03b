#include "model/kv_exchange.h"

#include <gtest/gtest.h>

#include <cstring>

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
  static void* aligned(std::byte* memory) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    return memory + (Arena::kAlignment - address % Arena::kAlignment) % Arena::kAlignment;
  }
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
  std::vector<std::byte> memory_ = std::vector<std::byte>(std::size_t{1} << 16);
  Arena arena_{aligned(memory_.data()), memory_.size() - Arena::kAlignment};
  KvExchange exchange_{rank_.runtime(), sizes_,
                       ActivationArena(sizes_, tokens_.global, DType::f32, arena_)};
};

TEST_P(KvExchangeTest, GathersKeysAndValuesInStreamOrder) {
  const auto in_stream = [](std::int64_t row, std::int64_t col) { return value_of(0, row, col); };
  HostMatrix local(tokens_.cp_local, cols_, [&](std::int64_t row, std::int64_t col) {
    return in_stream(stream_row(row), col);
  });
  HostMatrix stream(tokens_.global, cols_);
  const MatrixView place = exchange_.local(stream.view(), tokens_);
  EXPECT_EQ(place.rows, tokens_.cp_local);
  EXPECT_EQ(place.data == stream.data(), cp_ == 1) << "with CP 1 nothing is copied";
  std::memcpy(place.data, local.data(), place.bytes());
  exchange_.start_gather(place);
  exchange_.finish_gather(stream.view());
  EXPECT_EQ(stream, HostMatrix(tokens_.global, cols_, in_stream));
}

TEST_P(KvExchangeTest, SumsGradientsOfTheLocalRows) {
  HostMatrix d_local(tokens_.cp_local, cols_);
  const MatrixView d_stream = exchange_.stream_gradient(d_local.view(), tokens_);
  EXPECT_EQ(d_stream.rows, tokens_.global);
  EXPECT_EQ(d_stream.data == d_local.data(), cp_ == 1) << "with CP 1 nothing is copied";
  HostMatrix mine(tokens_.global, cols_,
                  [&](std::int64_t row, std::int64_t col) { return value_of(cp_rank_, row, col); });
  if (cp_ > 1) {
    EXPECT_EQ(d_stream.as<float>()[0], 0.0F) << "what is added to begins at zero";
  }
  std::memcpy(d_stream.data, mine.data(), d_stream.bytes());
  exchange_.start_reduce(tokens_);
  exchange_.finish_reduce(d_local.view());
  EXPECT_EQ(d_local, HostMatrix(tokens_.cp_local, cols_, [&](std::int64_t row, std::int64_t col) {
              return sum_of(cp_, stream_row(row), col);
            }));
}

INSTANTIATE_TEST_SUITE_P(Layouts, KvExchangeTest, ::testing::ValuesIn(layouts()));

}  // namespace
}  // namespace longhaul
