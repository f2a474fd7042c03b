#include "train/model_state.h"

#include <algorithm>

#include "checkpoint/naming.h"
#include "core/error.h"

namespace longhaul {
namespace {

/// Fills a state tensor of every parameter through read(tensor, rectangle, out), which gives a
/// rectangle as contiguous rows of the state's dtype.
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
    for (const Rectangle& rectangle : table.shard_rectangles(parameter, /*every_replica=*/true)) {
      read(table.tensors()[static_cast<std::size_t>(rectangle.tensor)], rectangle,
           rows.row_range(rectangle.parameter_row, rectangle.rows).data);
    }
    device.copy_to_device(shard.data, host.data(), host.size(), device.compute_stream());
    device.synchronize(device.compute_stream());  // `host` is used again
  }
}

std::vector<std::int64_t> extents(const LogicalTensor& tensor, std::int64_t rows,
                                  std::int64_t cols) {
  return tensor.one_dimensional ? std::vector{rows} : std::vector{rows, cols};
}

}  // namespace

void load_weights(Runtime& runtime, const ParameterTable& table, const WeightSource& source,
                  TrainingMemory& memory) {
  runtime.coordinator.run_collectively([&] {
    fill_shards(runtime, table, memory.optimizer().master(),
                [&](const LogicalTensor& tensor, const Rectangle& rectangle, void* out) {
                  source.read(tensor, rectangle, static_cast<float*>(out));
                });
  });
  memory.optimizer().round_weights();
  memory.weights().gather();
}

void load_training_state(Runtime& runtime, const ParameterTable& table,
                         const CheckpointReader& reader, TrainingMemory& memory) {
  const auto fill = [&](const StateTensor& state) {
    fill_shards(runtime, table, state,
                [&](const LogicalTensor& tensor, const Rectangle& r, void* out) {
                  const std::string path = optimizer_path(state.name(), tensor.name);
                  if (reader.find(path) == nullptr) {
                    user_error(
                        "{}: holds no optimizer state ({} is missing), so a run cannot be resumed "
                        "from it; to start a new run from its weights, give it as --model",
                        reader.directory().string(), display_name(path));
                  }
                  reader.read(path, extents(tensor, r.row, r.col), extents(tensor, r.rows, r.cols),
                              out, r.cols);
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
    for (const Rectangle& r :
         table.shard_rectangles(table.parameters()[i], /*every_replica=*/false)) {
      const LogicalTensor& tensor = table.tensors()[static_cast<std::size_t>(r.tensor)];
      add(checkpoint_path(tensor.name), tensor, r, memory.weights().shard(parameter));
      for (const StateTensor& state : memory.optimizer().state()) {
        add(optimizer_path(state.name(), tensor.name), tensor, r, state.view(parameter));
      }
    }
  }
}

void StateSnapshot::add(const std::string& path, const LogicalTensor& tensor, const Rectangle& r,
                        const MatrixView& shard) {
  const MatrixView rows = shard.row_range(r.parameter_row, r.rows);
  sources_.push_back({rows.data, rows.bytes(), bytes_});
  bytes_ += rows.bytes();
  TensorSlab slab;
  slab.path = path;
  slab.dtype = shard.dtype;
  slab.shape = extents(tensor, tensor.rows, tensor.cols);
  slab.offset = extents(tensor, r.row, r.col);
  slab.extent = extents(tensor, r.rows, r.cols);
  slab.row_stride = slab.extent.back();
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
