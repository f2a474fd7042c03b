#include "train/gradient_buffers.h"

#include <algorithm>

#include "core/error.h"

namespace longhaul {

GradientBuffers::GradientBuffers(Runtime& runtime, const ParameterTable& table,
                                 const ShardLayout& layout, Arena& arena)
    : runtime_(runtime),
      table_(table),
      layout_(layout),
      shards_(arena.allocate_array<float>(layout.size(), "gradient shards")),
      written_(table.parameters().size(), 0) {
  if (direct()) return;
  // Offsets within the bucket of each layer, and the largest layer.
  const std::size_t count = table.parameters().size();
  bucket_offset_.resize(count);
  reduced_offset_.resize(count);
  std::int64_t layer_whole = 0;
  std::int64_t layer_reduced = 0;
  std::int64_t edge_whole = 0;
  std::int64_t edge_reduced = 0;
  std::int64_t whole = 0;
  std::int64_t reduced = 0;
  int current = kFree;
  for (std::size_t i = 0; i < count; ++i) {
    const Parameter& parameter = table.parameters()[i];
    const bool edge = parameter.layer < 0;
    if (!edge && parameter.layer != current) {
      current = parameter.layer;
      whole = 0;
      reduced = 0;
    }
    std::int64_t& at_whole = edge ? edge_whole : whole;
    std::int64_t& at_reduced = edge ? edge_reduced : reduced;
    bucket_offset_[i] = at_whole;
    reduced_offset_[i] = at_reduced;
    at_whole += parameter.padded_size();
    at_reduced += parameter.shard_size();
    layer_whole = std::max(layer_whole, whole);
    layer_reduced = std::max(layer_reduced, reduced);
  }
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    const bool edge = i == 2;
    Bucket& bucket = buckets_[i];
    bucket.whole_size = edge ? edge_whole : layer_whole;
    bucket.whole = arena.allocate_array<float>(bucket.whole_size, "gradient bucket");
    bucket.reduced =
        arena.allocate_array<float>(edge ? edge_reduced : layer_reduced, "reduced gradient bucket");
    bucket.filled = runtime.backend.create_event();
    bucket.reduced_event = runtime.backend.create_event();
  }
}

void GradientBuffers::initialize() {
  Backend& backend = runtime_.backend;
  const auto clear_array = [&](float* data, std::int64_t count) {
    backend.fill_zero(data, static_cast<std::size_t>(count) * sizeof(float),
                      backend.compute_stream());
  };
  clear_array(shards_, layout_.size());
  for (const Bucket& bucket : buckets_) clear_array(bucket.whole, bucket.whole_size);
}

void GradientBuffers::start_step() {
  if (direct()) {
    std::fill(written_.begin(), written_.end(), 0);
    return;
  }
  runtime_.backend.fill_zero(shards_, static_cast<std::size_t>(layout_.size()) * sizeof(float),
                             runtime_.backend.compute_stream());
}

GradientBuffers::Bucket& GradientBuffers::bucket_of(int layer) {
  return layer < 0 ? buckets_[2] : buckets_[static_cast<std::size_t>(layer % 2)];
}

MatrixView GradientBuffers::whole_gradient(int parameter) {
  const Parameter& p = table_.parameters()[static_cast<std::size_t>(parameter)];
  if (direct()) return {shards_ + layout_.offset(parameter), DType::f32, p.rows, p.cols};
  Bucket& bucket = bucket_of(p.layer);
  if (bucket.layer != p.layer || bucket.reducing) open(bucket, p.layer);
  return {bucket.whole + bucket_offset_[static_cast<std::size_t>(parameter)], DType::f32, p.rows,
          p.cols};
}

void GradientBuffers::clear(MatrixView gradient) {
  runtime_.backend.fill_zero(gradient.data, gradient.bytes(), runtime_.backend.compute_stream());
}

MatrixView GradientBuffers::gradient(int parameter) {
  const MatrixView view = whole_gradient(parameter);
  char& written = written_[static_cast<std::size_t>(parameter)];
  if (written == 0) clear(view);
  written = 1;
  return view;
}

GradientSink::Destination GradientBuffers::destination(int parameter) {
  const MatrixView view = whole_gradient(parameter);
  char& written = written_[static_cast<std::size_t>(parameter)];
  const AccumulateMode write =
      written == 0 ? AccumulateMode::overwrite : AccumulateMode::accumulate;
  written = 1;
  return {view, write};
}

void GradientBuffers::open(Bucket& bucket, int layer) {
  drain(bucket);
  bucket.layer = layer;
  for (std::size_t i = 0; i < table_.parameters().size(); ++i) {
    if (table_.parameters()[i].layer == layer) written_[i] = 0;
  }
}

void GradientBuffers::complete(int layer) {
  if (direct()) return;
  Bucket& bucket = bucket_of(layer);
  LONGHAUL_CHECK(bucket.layer == layer && !bucket.reducing, "layer {} has no open bucket", layer);
  for (std::size_t i = 0; i < table_.parameters().size(); ++i) {
    // Nothing of this micro-batch reached it: no row of a vocabulary head carried loss.
    if (table_.parameters()[i].layer == layer) (void)gradient(static_cast<int>(i));
  }
  Backend& backend = runtime_.backend;
  Communicator& group = runtime_.comms[Group::dp_cp];
  const Stream stream = runtime_.comm_stream;
  backend.record(bucket.filled, backend.compute_stream());
  backend.wait(stream, bucket.filled);
  group.group_start();
  for (std::size_t i = 0; i < table_.parameters().size(); ++i) {
    const Parameter& p = table_.parameters()[i];
    if (p.layer != layer) continue;
    group.reduce_scatter(bucket.whole + bucket_offset_[i], bucket.reduced + reduced_offset_[i],
                         p.shard_size(), DType::f32, "gradients.reduce_scatter", stream);
  }
  group.group_end();
  backend.record(bucket.reduced_event, stream);
  bucket.reducing = true;
}

void GradientBuffers::drain(Bucket& bucket) {
  if (!bucket.reducing) return;
  runtime_.exposed_comm->timed(
      [&] { runtime_.backend.wait(runtime_.backend.compute_stream(), bucket.reduced_event); });
  for (std::size_t i = 0; i < table_.parameters().size(); ++i) {
    const Parameter& p = table_.parameters()[i];
    if (p.layer != bucket.layer) continue;
    runtime_.backend.accumulate(bucket.reduced + reduced_offset_[i],
                                shards_ + layout_.offset(static_cast<int>(i)), p.shard_size());
  }
  bucket.layer = kFree;
  bucket.reducing = false;
}

void GradientBuffers::finish_step() {
  for (Bucket& bucket : buckets_) drain(bucket);
  if (direct()) {
    for (std::size_t i = 0; i < written_.size(); ++i) (void)gradient(static_cast<int>(i));
  }
  // Norm weights see only this TP rank's tokens, QK norm weights only its heads.
  const std::int64_t begin = layout_.replicated_begin();
  runtime_.comms[Group::tp].all_reduce(shards_ + begin, layout_.size() - begin, DType::f32,
                                       "gradients.sum_replicated",
                                       runtime_.backend.compute_stream());
}

}  // namespace longhaul
