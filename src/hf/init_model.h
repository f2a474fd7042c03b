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

struct InitOptions {
  std::filesystem::path config;     // a config.json, or a directory that holds one
  std::filesystem::path output;     // the model directory to write
  std::filesystem::path tokenizer;  // where tokenizer files come from; empty: config's directory
  std::uint64_t seed = 0;
  std::optional<DType> dtype;  // default: the configuration's, else float32
  std::int64_t max_shard_bytes = 0;
  Overwrite overwrite = Overwrite::no;
};

struct InitReport {
  ModelConfig config;
  DType dtype = DType::f32;
  WeightFiles weights;
  std::vector<std::string> tokenizer_files;  // empty: there were none
};

/// Writes a model directory in Hugging Face form with random weights, drawn as transformers
/// initialises them: matrices and the embedding from a normal distribution with standard deviation
/// initializer_range, norms 1, biases 0. The values depend on configuration and seed alone (see
/// RandomWeights); narrower dtypes round those of float32. Throws UserError for anything wrong with
/// the options; nothing is left half-written.
InitReport init_model(const InitOptions& options);

/// The values of one tensor: rows row .. row + rows -> out in `dtype`.
void initial_rows(const LogicalTensor& tensor, std::int64_t row, std::int64_t rows,
                  double initializer_range, std::uint64_t seed, DType dtype, void* out);

}  // namespace longhaul
