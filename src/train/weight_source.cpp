#include "train/weight_source.h"

#include <cstddef>
#include <vector>

#include "checkpoint/naming.h"
#include "core/error.h"
#include "core/tensor/convert.h"
#include "hf/hf_model.h"
#include "train/optimizer/optimizer_state.h"

namespace longhaul {
namespace {

class HuggingFaceWeights final : public WeightSource {
 public:
  HuggingFaceWeights(const std::filesystem::path& directory, const ModelConfig& config)
      : model_(directory, config) {}

  void read(const LogicalTensor& tensor, const TensorSlice& slice, float* out) const override {
    model_.read(tensor, slice, out);
  }

  [[nodiscard]] std::vector<std::string> notes() const override { return model_.notes(); }

 private:
  HfModel model_;
};

class CheckpointWeights final : public WeightSource {
 public:
  explicit CheckpointWeights(const CheckpointReader& reader) : reader_(reader) {}

  void read(const LogicalTensor& tensor, const TensorSlice& slice, float* out) const override {
    const std::string master = optimizer_path(kMasterWeights.name, tensor.name);
    const std::string path =
        reader_.find(master) != nullptr ? master : checkpoint_path(tensor.name);
    const CheckpointTensor* stored = reader_.find(path);
    if (stored == nullptr || stored->shape != tensor.shape()) {
      user_error("{}: {} of shape [{}] is needed, the checkpoint has {}",
                 reader_.directory().string(), tensor.name, fmt::join(tensor.shape(), ", "),
                 stored == nullptr ? "no such tensor"
                                   : fmt::format("shape [{}]", fmt::join(stored->shape, ", ")));
    }
    if (stored->dtype == DType::f32) {
      reader_.read(path, slice, out, slice.cols);
      return;
    }
    LONGHAUL_CHECK(stored->dtype == DType::bf16 || stored->dtype == DType::f16,
                   "{}: weights of type {}", path, name_of(stored->dtype));
    std::vector<std::uint16_t> bits(static_cast<std::size_t>(slice.size()));
    reader_.read(path, slice, bits.data(), slice.cols);
    convert_values(bits.data(), stored->dtype, out, DType::f32, slice.size());
  }

 private:
  const CheckpointReader& reader_;
};

}  // namespace

std::unique_ptr<WeightSource> open_hugging_face_weights(const std::filesystem::path& directory,
                                                        const ModelConfig& config) {
  return std::make_unique<HuggingFaceWeights>(directory, config);
}

std::unique_ptr<WeightSource> open_checkpoint_weights(const CheckpointReader& reader) {
  return std::make_unique<CheckpointWeights>(reader);
}

}  // namespace longhaul
