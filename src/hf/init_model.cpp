#include "hf/init_model.h"

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "core/tensor/convert.h"
#include "hf/random_weights.h"
#include "hf/tokenizer_files.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

ModelConfig load_config(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return ModelConfig::load(path);
  if (!fs::exists(path, ignored)) {
    user_error("--config {}: no such file; give a config.json or a directory that holds one",
               path.string());
  }
  return ModelConfig::parse(read_text_file(path), path.string());
}

/// The directory to copy tokenizer files from; empty when there is none.
fs::path tokenizer_source(const InitOptions& options) {
  if (!options.tokenizer.empty()) {
    if (!has_tokenizer(options.tokenizer)) {
      user_error("--tokenizer {}: has no tokenizer.json; give a model or tokenizer directory",
                 options.tokenizer.string());
    }
    return options.tokenizer;
  }
  std::error_code ignored;
  const fs::path beside =
      fs::is_directory(options.config, ignored) ? options.config : options.config.parent_path();
  return has_tokenizer(beside) ? beside : fs::path();
}

}  // namespace

void initial_rows(const LogicalTensor& tensor, std::int64_t row, std::int64_t rows,
                  double initializer_range, std::uint64_t seed, DType dtype, void* out) {
  const std::int64_t count = rows * tensor.cols;
  std::vector<float> values(static_cast<std::size_t>(count));
  if (!tensor.one_dimensional) {
    RandomWeights(seed).normal(tensor.name, initializer_range, row * tensor.cols, count,
                               values.data());
  } else if (!tensor.name.ends_with(".bias")) {  // a norm
    std::ranges::fill(values, 1.0F);
  }
  convert_values(values.data(), DType::f32, out, dtype, count);
}

InitReport init_model(const InitOptions& options) {
  InitReport report;
  report.config = load_config(options.config);
  const ModelConfig& config = report.config;
  report.dtype = options.dtype.value_or(
      config.dtype.empty() ? DType::f32 : parse_weight_dtype(config.dtype, "config.json"));
  const fs::path tokenizer = tokenizer_source(options);

  OutputDirectory output(options.output, options.overwrite);
  if (!tokenizer.empty()) {
    report.tokenizer_files = copy_tokenizer_files(tokenizer, output.staging());
  }
  write_text_file(output.staging() / "config.json", config_text(config.json, report.dtype));
  report.weights = write_weights(
      output.staging(), logical_tensors(config), report.dtype, options.max_shard_bytes,
      [&](const LogicalTensor& tensor, std::int64_t row, std::int64_t rows, void* out) {
        initial_rows(tensor, row, rows, config.initializer_range, options.seed, report.dtype, out);
      });
  output.publish();
  return report;
}

}  // namespace longhaul
