#include "train/batch_feed.h"

#include <gtest/gtest.h>

#include "train/sharded_model.h"

namespace longhaul {
namespace {

using testing::DocumentPack;
using testing::TestRank;
using testing::TinyRun;

class BatchFeedTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { rank_ = std::make_unique<TestRank>(TestRank::alone()); }
  static void TearDownTestSuite() { rank_.reset(); }

  /// count values of device memory, when the compute stream gets there.
  template <typename T>
  std::vector<T> on_host(const T* device, std::size_t count) {
    std::vector<T> host(count);
    Device& from = run_.runtime().device;
    from.copy_to_host(host.data(), device, count * sizeof(T), from.compute_stream());
    from.synchronize(from.compute_stream());
    return host;
  }

  void expect_holds(const DeviceBatch& device, const MicroBatch& batch) {
    EXPECT_EQ(device.stream_tokens, batch.stream_tokens);
    EXPECT_EQ(device.loss_row_count, static_cast<std::int64_t>(batch.loss_rows.size()));
    EXPECT_EQ(on_host(device.ids, batch.ids.size()), batch.ids);
    EXPECT_EQ(on_host(device.positions, batch.positions.size()), batch.positions);
    EXPECT_EQ(on_host(device.loss_rows, batch.loss_rows.size()), batch.loss_rows);
    EXPECT_EQ(on_host(device.targets, batch.targets.size()), batch.targets);
    EXPECT_EQ(on_host(device.target_weights, batch.target_weights.size()), batch.target_weights);
  }

  /// Documents of these lengths, every token another one than in the pack of another `seed`.
  static DocumentPack pack(const std::vector<std::int64_t>& lengths, std::int32_t seed) {
    DocumentPack documents;
    std::int32_t token = seed;
    for (const std::int64_t length : lengths) {
      documents.emplace_back();
      for (std::int64_t i = 0; i < length; ++i) {
        documents.back().tokens.push_back(++token);
        documents.back().weights.push_back(i % 3 == 0 ? 0.0F : 0.25F * static_cast<float>(i % 7));
      }
    }
    return documents;
  }

  /// A batch all of whose loss rows weigh `weight`.
  MicroBatch weighted(std::size_t rows, float weight) {
    MicroBatch batch;
    batch.stream_tokens = batch.local_tokens = kTokens;
    batch.ids.assign(kTokens, 0);
    batch.positions.assign(kTokens, 0);
    for (std::size_t i = 0; i < rows; ++i) {
      batch.loss_rows.push_back(static_cast<std::int32_t>(i));
      batch.targets.push_back(0);
      batch.target_weights.push_back(weight);
    }
    return batch;
  }
  void add_loss(const MicroBatch& batch, const std::vector<float>& nll) {
    Device& device = run_.runtime().device;
    const DeviceBuffer losses(device, nll.size() * sizeof(float));
    testing::upload(device, nll, static_cast<float*>(losses.data()));
    feed_.add_loss(feed_.upload(batch), static_cast<const float*>(losses.data()));
    device.synchronize(device.compute_stream());
  }

  static constexpr std::int64_t kTokens = 66;
  static inline std::unique_ptr<TestRank> rank_;
  TinyRun run_{testing::odd_model(/*tied=*/true), *rank_, {.max_tokens = kTokens}};
  BatchFeed& feed_ = run_.memory().feed();
};

TEST_F(BatchFeedTest, TheDeviceGetsWhatTheBatchHolds) {
  // A full stream, one with padding and a document without loss, a single token.
  for (const auto& lengths :
       {std::vector<std::int64_t>{66}, std::vector<std::int64_t>{20, 1, 33}, {1}}) {
    const MicroBatch& batch = run_.fill(pack(lengths, 100));
    const DeviceBatch device = feed_.upload(batch);
    expect_holds(device, batch);
    EXPECT_EQ(device.segments.data(), batch.segments.data());
    EXPECT_EQ(device.segments.size(), batch.segments.size());
  }
}

TEST_F(BatchFeedTest, ABatchWithoutDocumentsHasNoLossRows) {
  const MicroBatch& batch = run_.fill({});
  const DeviceBatch device = feed_.upload(batch);
  EXPECT_GT(device.stream_tokens, 0);
  EXPECT_EQ(device.loss_row_count, 0);
  expect_holds(device, batch);
  feed_.clear_loss();
  feed_.add_loss(device, nullptr);
  EXPECT_EQ(feed_.loss(), 0.0);
}

TEST_F(BatchFeedTest, TwoBuffersTakeTurns) {
  std::vector<MicroBatch> batches;
  for (int i = 0; i < 5; ++i) batches.push_back(run_.fill(pack({30 + i, 20}, 1000 * i)));
  std::vector<DeviceBatch> uploaded;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    uploaded.push_back(feed_.upload(batches[i]));
    expect_holds(uploaded[i], batches[i]);
    if (i >= 1) {
      EXPECT_NE(uploaded[i].ids, uploaded[i - 1].ids);
      expect_holds(uploaded[i - 1], batches[i - 1]);  // still there
    }
    if (i >= 2) {
      EXPECT_EQ(uploaded[i].ids, uploaded[i - 2].ids);
    }
  }
}

TEST_F(BatchFeedTest, TheBatchMayChangeAsSoonAsItIsUploaded) {
  MicroBatch batch = run_.fill(pack({40, 10}, 500));
  const MicroBatch before = batch;
  const DeviceBatch device = feed_.upload(batch);
  std::fill(batch.ids.begin(), batch.ids.end(), -1);
  std::fill(batch.target_weights.begin(), batch.target_weights.end(), -1.0F);
  expect_holds(device, before);
}

TEST_F(BatchFeedTest, MoreTokensThanPlannedAreRefused) {
  MicroBatch batch = weighted(1, 1.0F);
  batch.local_tokens = kTokens + 1;
  try {
    (void)feed_.upload(batch);
    FAIL() << "uploaded " << batch.local_tokens << " tokens into buffers of " << kTokens;
  } catch (const InternalError& error) {
    EXPECT_NE(std::string(error.what()).find("67 local tokens; planned: 66"), std::string::npos)
        << error.what();
  }
}

TEST_F(BatchFeedTest, LossesAddUpInFp64OverMicroBatches) {
  // 2^25 leaves no room for a 1 in fp32's 24 bits.
  std::vector<float> nll(50, 1.0F);
  nll[0] = 33554432.0F;
  feed_.clear_loss();
  add_loss(weighted(50, 1.0F), nll);
  EXPECT_EQ(feed_.loss(), 33554432.0 + 49.0);
  add_loss(weighted(50, 0.5F), nll);
  add_loss(weighted(3, 3.0F), {1.0F, 2.0F, 4.0F});
  EXPECT_EQ(feed_.loss(), 1.5 * (33554432.0 + 49.0) + 21.0);
  EXPECT_EQ(feed_.loss(), 1.5 * (33554432.0 + 49.0) + 21.0) << "asking changes nothing";
  add_loss(weighted(0, 1.0F), {});
  EXPECT_EQ(feed_.loss(), 1.5 * (33554432.0 + 49.0) + 21.0) << "no rows add nothing";
  feed_.clear_loss();
  EXPECT_EQ(feed_.loss(), 0.0);
  add_loss(weighted(1, 2.0F), {0.75F});
  EXPECT_EQ(feed_.loss(), 1.5);
}

}  // namespace
}  // namespace longhaul
