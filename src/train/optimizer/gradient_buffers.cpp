#include "train/optimizer/gradient_buffers.h"

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
  bucket_offset_.resize(written_.size());
  reduced_offset_.resize(written_.size());
  std::array<std::int64_t, std::tuple_size_v<decltype(buckets_)>> reduced_sizes{};
  for (const UnitParameters& unit : table.units()) {
    std::int64_t whole = 0;
    std::int64_t reduced = 0;
    for (int p = unit.begin; p < unit.end; ++p) {
      const auto i = static_cast<std::size_t>(p);
      bucket_offset_[i] = whole;
      reduced_offset_[i] = reduced;
      whole += table.parameters()[i].padded_size();
      reduced += table.parameters()[i].shard_size();
    }
    const std::size_t number = bucket_number(unit.unit);
    buckets_[number].whole_size = std::max(buckets_[number].whole_size, whole);
    reduced_sizes[number] = std::max(reduced_sizes[number], reduced);
  }
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    Bucket& bucket = buckets_[i];
    bucket.whole = arena.allocate_array<float>(bucket.whole_size, "gradient bucket");
    bucket.reduced = arena.allocate_array<float>(reduced_sizes[i], "reduced gradient bucket");
    bucket.filled = runtime.device.create_event();
    bucket.reduced_event = runtime.device.create_event();
  }
}

void GradientBuffers::initialize() {
  runtime_.device.fill_zero(shards_, static_cast<std::size_t>(layout_.size()) * sizeof(float),
                            runtime_.device.compute_stream());
}

void GradientBuffers::start_step() {
  if (direct()) {
    std::fill(written_.begin(), written_.end(), 0);
    return;
  }
  runtime_.device.fill_zero(shards_, static_cast<std::size_t>(layout_.size()) * sizeof(float),
                            runtime_.device.compute_stream());
}

std::size_t GradientBuffers::bucket_number(Unit unit) const {
  constexpr std::size_t kVocabulary = 2;
  constexpr std::size_t kTiedHead = 3;
  switch (unit.kind) {
    case UnitKind::layer:
      return static_cast<std::size_t>(unit.layer % 2);
    case UnitKind::embedding:
      return kVocabulary;
    case UnitKind::head:
      return table_.tied_head() ? kTiedHead : kVocabulary;
  }
  throw InternalError("an unknown kind of unit");
}

MatrixView GradientBuffers::whole_gradient(int parameter) {
  const Parameter& p = table_.parameters()[static_cast<std::size_t>(parameter)];
  if (direct()) return {shards_ + layout_.offset(parameter), DType::f32, p.rows, p.cols};
  Bucket& bucket = bucket_of(p.unit);
  if (bucket.unit != p.unit || bucket.reducing) open(bucket, p.unit);
  return {bucket.whole + bucket_offset_[static_cast<std::size_t>(parameter)], DType::f32, p.rows,
          p.cols};
}

void GradientBuffers::clear(MatrixView gradient) {
  runtime_.device.fill_zero(gradient.data, gradient.bytes(), runtime_.device.compute_stream());
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

void GradientBuffers::open(Bucket& bucket, Unit unit) {
  drain(bucket);
  bucket.unit = unit;
  const UnitParameters& range = range_of(unit);
  std::fill(written_.begin() + range.begin, written_.begin() + range.end, 0);
  // Padding rows are reduced, too, and another unit may have written there.
  for (int i = range.begin; i < range.end; ++i) {
    const Parameter& p = table_.parameters()[static_cast<std::size_t>(i)];
    if (p.padded_rows == p.rows) continue;
    float* const whole = bucket.whole + bucket_offset_[static_cast<std::size_t>(i)];
    clear({whole + p.size(), DType::f32, p.padded_rows - p.rows, p.cols});
  }
}

void GradientBuffers::complete(Unit unit) {
  if (direct()) return;
  Bucket& bucket = bucket_of(unit);
  const UnitParameters& range = range_of(unit);
  LONGHAUL_CHECK(!(bucket.reducing && bucket.unit == unit), "a unit is completed twice");
  // Nothing of this micro-batch reached it: no row of a vocabulary head carried loss.
  for (int p = range.begin; p < range.end; ++p) (void)gradient(p);
  Device& device = runtime_.device;
  Communicator& group = runtime_.comms[Group::dp_cp];
  const Stream stream = runtime_.comm_stream;
  device.record(bucket.filled, device.compute_stream());
  device.wait(stream, bucket.filled);
  group.group_start();
  for (int p = range.begin; p < range.end; ++p) {
    const auto i = static_cast<std::size_t>(p);
    group.reduce_scatter(bucket.whole + bucket_offset_[i], bucket.reduced + reduced_offset_[i],
                         table_.parameters()[i].shard_size(), DType::f32,
                         "gradients.reduce_scatter", stream);
  }
  group.group_end();
  device.record(bucket.reduced_event, stream);
  bucket.reducing = true;
}

void GradientBuffers::drain(Bucket& bucket) {
  if (!bucket.reducing) return;
  runtime_.exposed_comm->timed(
      [&] { runtime_.device.wait(runtime_.device.compute_stream(), bucket.reduced_event); });
  const UnitParameters& range = range_of(*bucket.unit);
  for (int p = range.begin; p < range.end; ++p) {
    const auto i = static_cast<std::size_t>(p);
    runtime_.ops().accumulate(bucket.reduced + reduced_offset_[i], shards_ + layout_.offset(p),
                              table_.parameters()[i].shard_size());
  }
  bucket.unit.reset();
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
                                       runtime_.device.compute_stream());
}

}  // namespace longhaul
