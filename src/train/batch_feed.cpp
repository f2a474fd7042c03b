#include "train/batch_feed.h"

#include "core/error.h"

namespace longhaul {

BatchFeed::BatchFeed(Runtime& runtime, std::int64_t max_local_tokens, Arena& arena)
    : runtime_(runtime),
      max_local_tokens_(max_local_tokens),
      ids_(arena.allocate_array<std::int32_t>(max_local_tokens, "token ids")),
      positions_(arena.allocate_array<std::int32_t>(max_local_tokens, "positions")),
      loss_rows_(arena.allocate_array<std::int32_t>(max_local_tokens, "loss row indices")),
      targets_(arena.allocate_array<std::int32_t>(max_local_tokens, "targets")),
      target_weights_(arena.allocate_array<float>(max_local_tokens, "target weights")) {}

DeviceBatch BatchFeed::upload(const MicroBatch& batch) {
  LONGHAUL_CHECK(batch.local_tokens <= max_local_tokens_, "{} local tokens; planned: {}",
                 batch.local_tokens, max_local_tokens_);
  Backend& backend = runtime_.backend;
  const auto copy = [&](auto* device, const auto& host) {
    backend.copy_to_device(device, host.data(), host.size() * sizeof(host[0]),
                           backend.compute_stream());
  };
  copy(ids_, batch.ids);
  copy(positions_, batch.positions);
  copy(loss_rows_, batch.loss_rows);
  copy(targets_, batch.targets);
  copy(target_weights_, batch.target_weights);
  DeviceBatch device;
  device.stream_tokens = batch.stream_tokens;
  device.ids = ids_;
  device.positions = positions_;
  device.loss_row_count = static_cast<std::int64_t>(batch.loss_rows.size());
  device.loss_rows = loss_rows_;
  device.targets = targets_;
  device.target_weights = target_weights_;
  device.segments = batch.segments;
  return device;
}

double BatchFeed::weighted_loss(const MicroBatch& batch, const float* nll) {
  Backend& backend = runtime_.backend;
  nll_.resize(batch.loss_rows.size());
  backend.copy_to_host(nll_.data(), nll, nll_.size() * sizeof(float), backend.compute_stream());
  backend.synchronize(backend.compute_stream());
  double sum = 0.0;
  for (std::size_t i = 0; i < nll_.size(); ++i) {
    sum += static_cast<double>(batch.target_weights[i]) * static_cast<double>(nll_[i]);
  }
  return sum;
}

}  // namespace longhaul
