#include "train/model_state.h"

#include <algorithm>

#include "checkpoint/naming.h"
#include "core/error.h"

namespace longhaul {
namespace {

/// Fills a state tensor of every parameter through read(tensor, slice, out), which gives a
/// slice as contiguous rows of the state's dtype.
template <typename Read>
void fill_shards(Runtime& runtime, const ParameterTable& table, const StateTensor& state,
                 Read read) {
  Device& device = runtime.device;
  std::vector<std::byte> host;
  for (std::size_t i = 0; i < table.parameters().size(); ++i) {
    const Parameter& parameter = table.parameters()[i];
    runtime.coordinator.progress().beat();
    const MatrixView shard = state.view(static_cast<int>(i));
    // Padding rows, of the shard and of the vocabulary, stay zero.
    host.assign(shard.bytes(), std::byte{0});
    const MatrixView rows(host.data(), shard.dtype, shard.rows, shard.cols);
    for (const ParameterPiece& piece : table.shard_pieces(parameter, /*every_replica=*/true)) {
      read(table.tensors()[static_cast<std::size_t>(piece.tensor)], piece.slice,
           rows.row_range(piece.parameter_row, piece.slice.rows).data);
    }
    device.copy_to_device(shard.data, host.data(), host.size(), device.compute_stream());
    device.synchronize(device.compute_stream());  // `host` is used again
  }
}

}  // namespace

void load_weights(Runtime& runtime, const ParameterTable& table, const WeightSource& source,
                  TrainingMemory& memory) {
  runtime.coordinator.run_collectively([&] {
    fill_shards(runtime, table, memory.optimizer().master(),
                [&](const LogicalTensor& tensor, const TensorSlice& slice, void* out) {
                  source.read(tensor, slice, static_cast<float*>(out));
                });
  });
  memory.optimizer().round_weights();
  memory.weights().gather();
}

void load_training_state(Runtime& runtime, const ParameterTable& table,
                         const CheckpointReader& reader, TrainingMemory& memory) {
  const auto fill = [&](const StateTensor& state) {
    fill_shards(runtime, table, state,
                [&](const LogicalTensor& tensor, const TensorSlice& slice, void* out) {
                  const std::string path = optimizer_path(state.name(), tensor.name);
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
    for (const StateTensor& state : memory.optimizer().state()) fill(state);
  });
  memory.optimizer().round_weights();
  memory.weights().gather();
}

StateSnapshot::StateSnapshot(Runtime& runtime, const ParameterTable& table, TrainingMemory& memory)
    : runtime_(runtime) {
  for (std::size_t i = 0; i < table.parameters().size(); ++i) {
    const int parameter = static_cast<int>(i);
    for (const ParameterPiece& piece :
         table.shard_pieces(table.parameters()[i], /*every_replica=*/false)) {
      const LogicalTensor& tensor = table.tensors()[static_cast<std::size_t>(piece.tensor)];
      add(checkpoint_path(tensor.name), tensor, piece, memory.weights().shard(parameter));
      for (const StateTensor& state : memory.optimizer().state()) {
        add(optimizer_path(state.name(), tensor.name), tensor, piece, state.view(parameter));
      }
    }
  }
}

void StateSnapshot::add(const std::string& path, const LogicalTensor& tensor,
                        const ParameterPiece& piece, const MatrixView& shard) {
  const MatrixView rows = shard.row_range(piece.parameter_row, piece.slice.rows);
  sources_.push_back({rows.data, rows.bytes(), bytes_});
  bytes_ += rows.bytes();
  TensorSlab slab;
  slab.path = path;
  slab.dtype = shard.dtype;
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
