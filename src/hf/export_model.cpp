#include "hf/export_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "checkpoint/naming.h"
#include "checkpoint/reader.h"
#include "checkpoint/save_directory.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/tensor/convert.h"
#include "hf/hf_model.h"
#include "hf/import_model.h"
#include "hf/tokenizer_files.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kListedProblems = 5;

Json parse_metadata(const CheckpointReader& reader) {
  Json json = parse_json_or_discard<Json>(reader.metadata());
  if (!json.is_object() || !json.contains("model") || !json["model"].is_object()) {
    user_error(
        "{}: its metadata has no model configuration, so it cannot be exported; was it "
        "written by this program?",
        reader.directory().string());
  }
  return json;
}

/// The weights must be exactly the configuration's tensors.
void check_tensors(const CheckpointReader& reader, const std::vector<LogicalTensor>& tensors) {
  std::vector<std::string> problems;
  std::set<std::string> expected;
  for (const LogicalTensor& tensor : tensors) {
    const std::string path = checkpoint_path(tensor.name);
    expected.insert(path);
    const CheckpointTensor* const stored = reader.find(path);
    if (stored == nullptr) {
      problems.push_back(fmt::format("'{}' is missing", tensor.name));
    } else if (stored->shape != tensor.shape()) {
      problems.push_back(fmt::format("'{}' has shape [{}] instead of [{}]", tensor.name,
                                     fmt::join(stored->shape, ", "),
                                     fmt::join(tensor.shape(), ", ")));
    } else if (!is_weight_dtype(stored->dtype)) {
      problems.push_back(fmt::format("'{}' is stored as {}", tensor.name, name_of(stored->dtype)));
    }
  }
  for (const CheckpointTensor& stored : reader.tensors()) {
    const TensorName name = tensor_name(stored.path);
    if (name.optimizer_kind.empty() && !expected.contains(stored.path)) {
      problems.push_back(fmt::format("'{}' is left over", name.hf_name));
    }
  }
  if (problems.empty()) return;
  const std::size_t listed = std::min(problems.size(), kListedProblems);
  user_error(
      "{}: its tensors do not fit the model configuration in it:\n  {}{}",
      reader.directory().string(),
      fmt::join(problems.begin(), problems.begin() + static_cast<std::ptrdiff_t>(listed), "\n  "),
      problems.size() > listed ? fmt::format("\n  and {} more", problems.size() - listed) : "");
}

DType choose_dtype(const ExportOptions& options, const ModelConfig& config,
                   const CheckpointReader& reader, const std::vector<LogicalTensor>& tensors) {
  if (options.dtype) return *options.dtype;
  if (!config.dtype.empty()) return parse_weight_dtype(config.dtype, "config.json");
  return reader.find(checkpoint_path(tensors.front().name))->dtype;
}

/// Where tokenizer files are, best place first; empty when nowhere.
fs::path find_tokenizer(const ExportOptions& options, const fs::path& step, const Json& metadata) {
  if (!options.tokenizer.empty()) {
    if (!has_tokenizer(options.tokenizer)) {
      user_error("--tokenizer {}: has no tokenizer.json; give a model or tokenizer directory",
                 options.tokenizer.string());
    }
    return options.tokenizer;
  }
  std::vector<fs::path> places = {without_trailing_slash(fs::absolute(step)).parent_path() /
                                  kTokenizerFolder};
  const auto add_place = [&](const Json& object, const char* key) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return;
    const fs::path place = object[key].get<std::string>();
    places.push_back(place);
    places.push_back(place / kTokenizerFolder);  // when it is a save directory itself
  };
  if (metadata.contains("args")) add_place(metadata["args"], "model");  // what was trained
  add_place(metadata, "imported_from");
  for (const fs::path& place : places) {
    if (!place.empty() && has_tokenizer(place)) return place;
  }
  return {};
}

/// Reads rows of the checkpoint's weights and converts them.
RowSource checkpoint_rows(const CheckpointReader& reader, DType dtype) {
  return [&reader, dtype](const LogicalTensor& tensor, std::int64_t row, std::int64_t rows,
                          void* out) {
    const std::string path = checkpoint_path(tensor.name);
    const DType stored = reader.find(path)->dtype;
    const TensorSlice slice{row, 0, rows, tensor.cols};
    if (stored == dtype) {
      reader.read(path, slice, out, slice.cols);
      return;
    }
    std::vector<std::byte> raw(static_cast<std::size_t>(slice.size()) * size_of(stored));
    reader.read(path, slice, raw.data(), slice.cols);
    convert_values(raw.data(), stored, out, dtype, slice.size());
  };
}

}  // namespace

ExportReport export_model(const ExportOptions& options) {
  ExportReport report;
  std::string note;
  report.checkpoint = require_checkpoint(options.checkpoint, &note);
  if (!note.empty()) report.notes.push_back(note);
  const CheckpointReader reader(report.checkpoint);
  report.step = reader.step();
  const Json metadata = parse_metadata(reader);
  report.config = ModelConfig::parse(dump_json(metadata["model"]),
                                     report.checkpoint.string() + ": model configuration");
  const std::vector<LogicalTensor> tensors = logical_tensors(report.config);
  check_tensors(reader, tensors);
  report.dtype = choose_dtype(options, report.config, reader, tensors);
  const fs::path tokenizer = find_tokenizer(options, report.checkpoint, metadata);
  if (is_checkpoint(options.output)) {
    user_error("--output {}: holds checkpoints; choose another directory for the model",
               options.output.string());
  }

  OutputDirectory output(options.output, options.overwrite);
  if (!tokenizer.empty()) {
    report.tokenizer_files = copy_tokenizer_files(tokenizer, output.staging());
  }
  write_text_file(output.staging() / "config.json", config_text(report.config.json, report.dtype));
  const RowSource source = checkpoint_rows(reader, report.dtype);
  report.weights =
      write_weights(output.staging(), tensors, report.dtype, options.max_shard_bytes, source);
  if (options.verification == Verification::compare_every_tensor) {
    report.verified = verify_weights(output.staging(), tensors, report.dtype, source);
  }
  output.publish();
  return report;
}

}  // namespace longhaul
