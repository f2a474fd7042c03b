#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hf/safetensors_reader.h"
#include "model/model_config.h"
#include "model/parameter_table.h"

namespace longhaul {

/// A Hugging Face model directory whose weights are exactly those of its configuration. Safe for
/// concurrent use once opened.
class HfModel {
 public:
  /// Reads config.json and the safetensors headers. Throws UserError for anything that the two
  /// classes below it refuse, and for tensors that are missing, left over, or of a wrong shape or
  /// dtype: one message that lists the first few.
  explicit HfModel(const std::filesystem::path& directory);
  /// The same with a configuration that was already read from the directory.
  HfModel(const std::filesystem::path& directory, ModelConfig config);

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] const SafetensorsReader& weights() const { return weights_; }
  /// What logical_tensors(config()) lists.
  [[nodiscard]] const std::vector<LogicalTensor>& tensors() const { return tensors_; }
  /// Things that the user should know but that stop nothing; usually empty. Print them once.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// A slice of a tensor -> out [slice.rows, slice.cols] fp32, contiguous, overwritten.
  void read(const LogicalTensor& tensor, const TensorSlice& slice, float* out) const;

 private:
  void check_tensors();
  void check_tied_head();

  std::filesystem::path directory_;
  ModelConfig config_;
  SafetensorsReader weights_;
  std::vector<LogicalTensor> tensors_;
  std::vector<std::string> notes_;
};

}  // namespace longhaul
