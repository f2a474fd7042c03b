#include "hf/model_files.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/json.h"
#include "hf/byte_progress.h"
#include "hf/hf_model.h"
#include "hf/safetensors_reader.h"
#include "hf/safetensors_writer.h"

namespace longhaul {
namespace {

constexpr std::int64_t kBlockBytes = std::int64_t{32} << 20;

/// Calls use(tensor, row, rows, data, bytes) for blocks of rows of all tensors in order.
template <typename Use>
void for_each_block(const std::vector<LogicalTensor>& tensors, DType dtype, const char* what,
                    const RowSource& source, Use use) {
  const auto element = static_cast<std::int64_t>(size_of(dtype));
  std::int64_t total = 0;
  for (const LogicalTensor& tensor : tensors) total += tensor.rows * tensor.cols * element;
  ByteProgress progress(what, total);
  std::vector<std::byte> block;
  for (const LogicalTensor& tensor : tensors) {
    const std::int64_t row_bytes = tensor.cols * element;
    const std::int64_t block_rows = std::max<std::int64_t>(1, kBlockBytes / row_bytes);
    for (std::int64_t row = 0; row < tensor.rows; row += block_rows) {
      const std::int64_t rows = std::min(block_rows, tensor.rows - row);
      block.resize(static_cast<std::size_t>(rows * row_bytes));
      source(tensor, row, rows, block.data());
      use(tensor, row, block.data(), block.size());
      progress.add(rows * row_bytes);
    }
  }
}

}  // namespace

WeightFiles write_weights(const std::filesystem::path& directory,
                          const std::vector<LogicalTensor>& tensors, DType dtype,
                          std::int64_t max_shard_bytes, const RowSource& source) {
  std::vector<SafetensorsTensor> list;
  list.reserve(tensors.size());
  for (const LogicalTensor& tensor : tensors) {
    list.push_back({tensor.name, dtype, tensor.shape()});
  }
  SafetensorsWriter writer(directory, std::move(list), max_shard_bytes);
  for_each_block(tensors, dtype, "writing", source,
                 [&](const LogicalTensor&, std::int64_t, const std::byte* data, std::size_t bytes) {
                   writer.append(data, bytes);
                 });
  writer.finish();
  return {tensors.size(), writer.tensor_bytes(), writer.files()};
}

WeightFiles verify_weights(const std::filesystem::path& directory,
                           const std::vector<LogicalTensor>& tensors, DType dtype,
                           const RowSource& source) {
  const SafetensorsReader reader(directory);
  WeightFiles report{tensors.size(), 0, {}};
  if (reader.names().size() != tensors.size()) {
    throw InternalError(fmt::format("{}: holds {} tensors instead of {}", directory.string(),
                                    reader.names().size(), tensors.size()));
  }
  for (const LogicalTensor& tensor : tensors) {
    const StoredTensor stored = reader.tensor(tensor.name);
    if (stored.shape != tensor.shape() || stored.dtype != dtype) {
      throw InternalError(fmt::format("{}: {} has another shape or dtype than what was written",
                                      stored.file->string(), tensor.name));
    }
    report.bytes += static_cast<std::int64_t>(stored.bytes.size());
  }
  const std::size_t element = size_of(dtype);
  for_each_block(
      tensors, dtype, "verifying", source,
      [&](const LogicalTensor& tensor, std::int64_t row, const std::byte* data, std::size_t bytes) {
        const std::size_t begin = static_cast<std::size_t>(row * tensor.cols) * element;
        const StoredTensor stored = reader.tensor(tensor.name);
        const std::byte* const written = stored.bytes.data() + begin;
        if (std::memcmp(written, data, bytes) == 0) return;
        const auto [first, other] = std::mismatch(written, written + bytes, data);
        throw InternalError(fmt::format(
            "{}: {} differs from the checkpoint at element {}; the disk may be failing: export "
            "again to another one",
            stored.file->string(), tensor.name,
            (begin + static_cast<std::size_t>(first - written)) / element));
      });
  return report;
}

std::string config_text(const std::string& text, DType dtype) {
  auto json = parse_json<nlohmann::ordered_json>(text);
  bool spelled = false;
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (!json.contains(key)) continue;
    json[key] = name_of(dtype);
    spelled = true;
  }
  if (!spelled) json["torch_dtype"] = name_of(dtype);
  if (!json.contains("architectures") || json["architectures"].is_null()) {
    const bool qwen2 = json.value("model_type", "") == "qwen2";
    json["architectures"] = {qwen2 ? "Qwen2ForCausalLM" : "Qwen3ForCausalLM"};
  }
  return dump_json(json, 2) + "\n";
}

}  // namespace longhaul
