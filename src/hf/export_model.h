#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor/dtype.h"
#include "hf/model_files.h"
#include "hf/output_directory.h"
#include "model/model_config.h"

namespace longhaul {

enum class Verification : std::uint8_t { skip, compare_every_tensor };

struct ExportOptions {
  std::filesystem::path checkpoint;  // a save directory (its newest step) or one step_... folder
  std::filesystem::path output;      // the model directory to write
  std::filesystem::path tokenizer;   // empty: the save directory's, else the trained model's
  std::optional<DType> dtype;        // default: config.json's, else that of the weights
  std::int64_t max_shard_bytes = 0;
  Verification verification = Verification::skip;
  Overwrite overwrite = Overwrite::no;
};

struct ExportReport {
  ModelConfig config;
  std::filesystem::path checkpoint;  // the step_... folder
  std::int64_t step = 0;
  DType dtype = DType::f32;
  WeightFiles weights;
  std::optional<WeightFiles> verified;
  std::vector<std::string> tokenizer_files;  // empty: none were found
  std::vector<std::string> notes;
};

/// Turns a checkpoint's weights into a complete Hugging Face model directory: config.json,
/// safetensors, and the tokenizer's and generation's files where known. Values are converted to the
/// dtype by rounding to nearest, ties to even. With verification, every tensor in the written files
/// is compared bit for bit with the checkpoint's, before the directory appears. Throws UserError
/// (InternalError when the comparison fails); nothing is left half-written.
ExportReport export_model(const ExportOptions& options);

}  // namespace longhaul
