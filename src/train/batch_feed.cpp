#include "train/batch_feed.h"

#include <cstring>

#include "core/error.h"

namespace longhaul {

BatchFeed::BatchFeed(Runtime& runtime, std::int64_t max_local_tokens, Arena& arena)
    : runtime_(runtime),
      max_local_tokens_(max_local_tokens),
      array_bytes_((static_cast<std::size_t>(max_local_tokens) * sizeof(std::int32_t) +
                    Arena::kAlignment - 1) /
                   Arena::kAlignment * Arena::kAlignment),
      copy_stream_(runtime.copy_stream) {
  for (Slot& slot : slots_) {
    slot.device =
        static_cast<std::byte*>(arena.allocate(kArrays * array_bytes_, "micro-batch arrays"));
    slot.uploaded = runtime.device.create_event();
    slot.computed = runtime.device.create_event();
  }
  loss_ = arena.allocate_array<double>(1, "loss");
}

DeviceBatch BatchFeed::upload(const MicroBatch& batch) {
  LONGHAUL_CHECK(batch.local_tokens <= max_local_tokens_, "{} local tokens; planned: {}",
                 batch.local_tokens, max_local_tokens_);
  Device& device = runtime_.device;
  device.record(slots_[static_cast<std::size_t>(current_)].computed, device.compute_stream());
  current_ = 1 - current_;
  Slot& slot = slots_[static_cast<std::size_t>(current_)];
  if (slot.host.data() == nullptr) slot.host = PinnedBuffer(device, kArrays * array_bytes_);
  device.synchronize(slot.uploaded);  // the host arrays are free again
  device.wait(copy_stream_, slot.computed);

  int array = 0;
  const auto copy = [&](const auto& values) {
    using Value = typename std::decay_t<decltype(values)>::value_type;
    const std::size_t offset = static_cast<std::size_t>(array++) * array_bytes_;
    const std::size_t bytes = values.size() * sizeof(Value);
    if (bytes > 0) {
      std::memcpy(slot.host.data() + offset, values.data(), bytes);
      device.copy_to_device(slot.device + offset, slot.host.data() + offset, bytes, copy_stream_);
    }
    return reinterpret_cast<const Value*>(slot.device + offset);
  };
  DeviceBatch uploaded;
  uploaded.stream_tokens = batch.stream_tokens;
  uploaded.ids = copy(batch.ids);
  uploaded.positions = copy(batch.positions);
  uploaded.loss_row_count = static_cast<std::int64_t>(batch.loss_rows.size());
  uploaded.loss_rows = copy(batch.loss_rows);
  uploaded.targets = copy(batch.targets);
  uploaded.target_weights = copy(batch.target_weights);
  uploaded.segments = batch.segments;
  device.record(slot.uploaded, copy_stream_);
  device.wait(device.compute_stream(), slot.uploaded);
  return uploaded;
}

void BatchFeed::clear_loss() {
  runtime_.device.fill_zero(loss_, sizeof(double), runtime_.device.compute_stream());
}

void BatchFeed::add_loss(const DeviceBatch& batch, const float* nll) {
  runtime_.ops().weighted_sum(nll, batch.target_weights, batch.loss_row_count, loss_);
}

double BatchFeed::loss() {
  Device& device = runtime_.device;
  if (loss_on_host_.data() == nullptr) loss_on_host_ = PinnedBuffer(device, sizeof(double));
  device.copy_to_host(loss_on_host_.data(), loss_, sizeof(double), device.compute_stream());
  device.synchronize(device.compute_stream());
  double sum = 0.0;
  std::memcpy(&sum, loss_on_host_.data(), sizeof sum);
  return sum;
}

}  // namespace longhaul
