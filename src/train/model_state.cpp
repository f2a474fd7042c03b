#include "train/model_state.h"

#include <algorithm>

#include "checkpoint/naming.h"
#include "core/error.h"

namespace longhaul {
namespace {

constexpr DType kStateType = DType::f32;

/// Fills one kind of state (master, exp_avg, ...) of every parameter through read(tensor, slice,
/// out), which gives a slice as contiguous fp32 rows.
template <typename Read>
void fill_shards(Runtime& runtime, const ParameterTable& table, const ShardLayout& layout,
                 float* device_shards, Read read) {
  std::vector<float> host;
  for (std::size_t i = 0; i < table.parameters().size(); ++i) {
    const Parameter& parameter = table.parameters()[i];
    runtime.coordinator.progress().beat();
    // Padding rows, of the shard and of the vocabulary, stay zero.
    host.assign(static_cast<std::size_t>(parameter.shard_size()), 0.0F);
    for (const ParameterPiece& piece : table.shard_pieces(parameter, /*every_replica=*/true)) {
      read(table.tensors()[static_cast<std::size_t>(piece.tensor)], piece.slice,
           host.data() + piece.parameter_row * parameter.cols);
    }
    Device& device = runtime.device;
    device.copy_to_device(device_shards + layout.offset(static_cast<int>(i)), host.data(),
                          host.size() * sizeof(float), device.compute_stream());
    device.synchronize(device.compute_stream());  // `host` is used again
  }
}

}  // namespace

void load_weights(Runtime& runtime, const ParameterTable& table, const WeightSource& source,
                  TrainingMemory& memory) {
  runtime.coordinator.run_collectively([&] {
    fill_shards(runtime, table, memory.layout(), memory.optimizer().master(),
                [&](const LogicalTensor& tensor, const TensorSlice& slice, float* out) {
                  source.read(tensor, slice, out);
                });
  });
  memory.optimizer().round_weights();
  memory.weights().gather();
}

void load_training_state(Runtime& runtime, const ParameterTable& table,
                         const CheckpointReader& reader, TrainingMemory& memory) {
  const auto fill = [&](const char* kind, float* shards) {
    fill_shards(runtime, table, memory.layout(), shards,
                [&](const LogicalTensor& tensor, const TensorSlice& slice, float* out) {
                  const std::string path = optimizer_path(kind, tensor.name);
                  if (reader.find(path) == nullptr) {
                    user_error(
                        "{}: holds no optimizer state ({} is missing), so a run cannot be resumed "
                        "from it; to start a new run from its weights, give it as --model",
                        reader.directory().string(), display_name(path));
                  }
                  reader.read(path, slice, out, slice.cols);
                });
  };
  runtime.coordinator.run_collectively([&] {
    fill("master", memory.optimizer().master());
    fill("exp_avg", memory.optimizer().exp_avg());
    fill("exp_avg_sq", memory.optimizer().exp_avg_sq());
  });
  memory.optimizer().round_weights();
  memory.weights().gather();
}

StateSnapshot::StateSnapshot(Runtime& runtime, const ParameterTable& table, TrainingMemory& memory)
    : runtime_(runtime) {
  for (std::size_t i = 0; i < table.parameters().size(); ++i) {
    const Parameter& parameter = table.parameters()[i];
    const std::int64_t offset = memory.layout().offset(static_cast<int>(i));
    for (const ParameterPiece& piece : table.shard_pieces(parameter, /*every_replica=*/false)) {
      const LogicalTensor& tensor = table.tensors()[static_cast<std::size_t>(piece.tensor)];
      const std::int64_t cols = parameter.cols;
      add(checkpoint_path(tensor.name), runtime.device.compute_dtype(), tensor, piece,
          memory.weights().shard(static_cast<int>(i)).data, cols);
      ShardedAdamW& optimizer = memory.optimizer();
      add(optimizer_path("master", tensor.name), kStateType, tensor, piece,
          optimizer.master() + offset, cols);
      add(optimizer_path("exp_avg", tensor.name), kStateType, tensor, piece,
          optimizer.exp_avg() + offset, cols);
      add(optimizer_path("exp_avg_sq", tensor.name), kStateType, tensor, piece,
          optimizer.exp_avg_sq() + offset, cols);
    }
  }
}

void StateSnapshot::add(const std::string& path, DType dtype, const LogicalTensor& tensor,
                        const ParameterPiece& piece, const void* shard, std::int64_t cols) {
  const auto row_bytes = static_cast<std::size_t>(cols) * size_of(dtype);
  const std::size_t bytes = static_cast<std::size_t>(piece.slice.rows) * row_bytes;
  const auto* device = static_cast<const std::byte*>(shard) +
                       static_cast<std::size_t>(piece.parameter_row) * row_bytes;
  sources_.push_back({device, bytes, bytes_});
  bytes_ += bytes;
  TensorSlab slab;
  slab.path = path;
  slab.dtype = dtype;
  slab.shape = tensor.shape();
  slab.slice = piece.slice;
  slab.row_stride = piece.slice.cols;
  slabs_.push_back(std::move(slab));
}

const std::vector<TensorSlab>& StateSnapshot::take() {
  Device& device = runtime_.device;
  if (host_.data() == nullptr) host_ = PinnedBuffer(device, bytes_);
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const Source& source = sources_[i];
    std::byte* const host = host_.data() + source.offset;
    device.copy_to_host(host, source.device, source.bytes, device.compute_stream());
    slabs_[i].data = host;
  }
  device.synchronize(device.compute_stream());
  return slabs_;
}

}  // namespace longhaul
