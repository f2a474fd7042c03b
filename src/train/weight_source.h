#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/reader.h"
#include "model/parameter_table.h"

namespace longhaul {

/// Where initial weights come from: slices of the model's tensors as fp32.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  /// A slice of `tensor` -> out [slice.rows, slice.cols], fp32.
  virtual void read(const LogicalTensor& tensor, const TensorSlice& slice, float* out) const = 0;
  /// What the user should know about the source, though it stops nothing.
  [[nodiscard]] virtual std::vector<std::string> notes() const { return {}; }
};

/// The safetensors of a Hugging Face model directory. Opening it checks that exactly the tensors of
/// `config` are there.
std::unique_ptr<WeightSource> open_hugging_face_weights(const std::filesystem::path& directory,
                                                        const ModelConfig& config);

/// The weights of a checkpoint (the fp32 master weights where it has them). `reader` must outlive
/// it.
std::unique_ptr<WeightSource> open_checkpoint_weights(const CheckpointReader& reader);

}  // namespace longhaul
