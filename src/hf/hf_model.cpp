#include "hf/hf_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/error.h"
#include "core/tensor/convert.h"

namespace longhaul {
namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";
constexpr std::size_t kListedProblems = 5;
constexpr std::int64_t kComparedRows = 256;

std::string shown_shape(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Older releases saved the rotary frequencies, which follow from the configuration.
bool is_rotary_buffer(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name == "model.rotary_emb.inv_freq";
}

}  // namespace

HfModel::HfModel(const std::filesystem::path& directory)
    : HfModel(directory, ModelConfig::load(directory)) {}

HfModel::HfModel(const std::filesystem::path& directory, ModelConfig config)
    : directory_(directory),
      config_(std::move(config)),
      weights_(directory),
      tensors_(logical_tensors(config_)) {
  check_tensors();
  check_tied_head();
}

void HfModel::check_tensors() {
  std::vector<std::string> problems;
  std::set<std::string, std::less<>> expected;
  for (const LogicalTensor& tensor : tensors_) {
    expected.insert(tensor.name);
    if (!weights_.contains(tensor.name)) {
      problems.push_back(fmt::format("'{}' is missing", tensor.name));
      continue;
    }
    const auto& shape = weights_.shape(tensor.name);
    if (shape != tensor.shape()) {
      problems.push_back(fmt::format("'{}' has shape {} instead of {} ({})", tensor.name,
                                     shown_shape(shape), shown_shape(tensor.shape()),
                                     weights_.file_of(tensor.name).filename().string()));
    }
    const std::string& dtype = weights_.stored_dtype(tensor.name);
    if (dtype != "BF16" && dtype != "F16" && dtype != "F32") {
      problems.push_back(fmt::format("'{}' is stored as {} instead of BF16, F16 or F32 ({})",
                                     tensor.name, dtype,
                                     weights_.file_of(tensor.name).filename().string()));
    }
  }
  for (const std::string& name : weights_.names()) {
    if (expected.contains(name) || is_rotary_buffer(name)) continue;
    if (config_.tie_word_embeddings && name == kHead) continue;
    problems.push_back(fmt::format("'{}' is left over: the configuration has no such tensor ({})",
                                   name, weights_.file_of(name).filename().string()));
  }
  if (problems.empty()) return;
  const std::size_t listed = std::min(problems.size(), kListedProblems);
  const std::size_t more = problems.size() - listed;
  user_error(
      "{}: the weights do not fit config.json ({}):\n  {}{}\nUse the config.json that belongs to "
      "these weights, or download the incomplete files again.",
      directory_.string(), describe(config_),
      fmt::join(problems.begin(), problems.begin() + static_cast<std::ptrdiff_t>(listed), "\n  "),
      more > 0 ? fmt::format("\n  and {} more", more) : "");
}

/// A tied model needs no lm_head.weight; transformers ignores one that is there, and so do we. Rows
/// spread over the vocabulary tell whether that loses something, without reading all of it.
void HfModel::check_tied_head() {
  if (!config_.tie_word_embeddings || !weights_.contains(kHead)) return;
  const StoredTensor head = weights_.tensor(kHead);
  const StoredTensor embedding = weights_.tensor(kEmbedding);
  bool equal = head.shape == embedding.shape && head.dtype == embedding.dtype;
  const std::int64_t step = std::max<std::int64_t>(1, config_.vocab_size / kComparedRows);
  const std::size_t row_bytes =
      static_cast<std::size_t>(config_.hidden_size) * size_of(embedding.dtype);
  for (std::int64_t row = 0; equal && row < config_.vocab_size; row += step) {
    const std::size_t begin = static_cast<std::size_t>(row) * row_bytes;
    equal = std::memcmp(head.bytes.data() + begin, embedding.bytes.data() + begin, row_bytes) == 0;
  }
  if (!equal) {
    notes_.push_back(fmt::format(
        "{}: '{}' differs from '{}', but tie_word_embeddings is true: it is ignored, as "
        "transformers does; set tie_word_embeddings to false if it is meant to be used",
        directory_.string(), kHead, kEmbedding));
  }
}

void HfModel::read(const LogicalTensor& tensor, const TensorSlice& slice, float* out) const {
  weights_.read_rectangle(tensor.name, slice.row, slice.col,
                          MatrixView(out, DType::f32, slice.rows, slice.cols));
}

}  // namespace longhaul
