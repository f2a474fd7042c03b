#include "hf/safetensors_reader.h"

#include <fmt/ranges.h>

#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/tensor/convert.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

bool file_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// "weight_map" of an index: tensor name -> file name.
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  Json json;
  try {
    json = parse_json<Json>(read_text_file(index));
  } catch (const Json::parse_error& error) {
    user_error("{}: not valid JSON at byte {}; download or copy the file again", index.string(),
               error.byte);
  }
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    user_error("{}: has no object 'weight_map'; download or copy the file again", index.string());
  }
  std::map<std::string, std::string> map;
  for (const auto& [tensor, name] : json["weight_map"].items()) {
    // Shards lie beside the index: a path would let a model read any file.
    if (!name.is_string() ||
        fs::path(name.get<std::string>()).filename() != name.get<std::string>()) {
      user_error("{}: tensor '{}' is not mapped to the name of a file in the same directory",
                 index.string(), tensor);
    }
    map[tensor] = name.get<std::string>();
  }
  if (map.empty()) user_error("{}: 'weight_map' is empty", index.string());
  return map;
}

}  // namespace

SafetensorsReader::SafetensorsReader(const fs::path& path) : source_(path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    add_file(path);
  } else if (file_exists(path / kSingleFile)) {
    add_file(path / kSingleFile);
  } else if (file_exists(path / kIndexFile)) {
    open_index(path / kIndexFile);
  } else {
    const bool has_pickle = file_exists(path / "pytorch_model.bin") ||
                            file_exists(path / "pytorch_model.bin.index.json");
    user_error("{}: has neither {} nor {}{}", path.string(), kSingleFile, kIndexFile,
               has_pickle ? "; its pytorch_model.bin is not read: save the model again with "
                            "transformers' save_pretrained(safe_serialization=True)"
                          : "; give a complete Hugging Face model directory");
  }
}

void SafetensorsReader::add_file(const fs::path& path) {
  MappedFile map(path);
  SafetensorsHeader header = parse_safetensors_header(map.bytes(), path.string());
  files_.push_back({path, std::move(map), std::move(header)});
  const std::size_t index = files_.size() - 1;
  for (const auto& [name, entry] : files_.back().header.tensors) {
    // Moving a File keeps its map's nodes, so the pointer stays valid.
    const auto [earlier, inserted] = places_.try_emplace(name, Place{index, &entry});
    if (!inserted) {
      user_error("tensor '{}' is in both {} and {}; remove one of them", name,
                 files_[earlier->second.file].path.string(), path.string());
    }
  }
}

void SafetensorsReader::open_index(const fs::path& index) {
  const auto weight_map = read_weight_map(index);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
  for (const std::string& shard : shards) {
    const fs::path path = index.parent_path() / shard;
    if (!file_exists(path)) {
      user_error("{}: is missing, but {} names it; download or copy the file", path.string(),
                 index.filename().string());
    }
    add_file(path);
  }
  for (const auto& [tensor, shard] : weight_map) {
    const auto found = places_.find(tensor);
    if (found == places_.end() || files_[found->second.file].path.filename() != shard) {
      user_error("{}: has no tensor '{}', but {} says so; download or copy the file again",
                 (index.parent_path() / shard).string(), tensor, index.filename().string());
    }
  }
  for (const auto& [tensor, where] : places_) {
    if (!weight_map.contains(tensor)) {
      user_error("{}: has a tensor '{}' that {} does not list; download or copy both again",
                 files_[where.file].path.string(), tensor, index.filename().string());
    }
  }
}

std::vector<std::string> SafetensorsReader::names() const {
  std::vector<std::string> names;
  for (const auto& [name, where] : places_) names.push_back(name);
  return names;
}

bool SafetensorsReader::contains(std::string_view name) const {
  return places_.find(name) != places_.end();
}

const SafetensorsReader::Place& SafetensorsReader::place(std::string_view name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) {
    user_error(
        "{}: has no tensor '{}'; the model is incomplete, or of another kind than its "
        "config.json says",
        source_.string(), name);
  }
  return found->second;
}

const std::string& SafetensorsReader::stored_dtype(std::string_view name) const {
  return place(name).entry->stored_dtype;
}

const std::vector<std::int64_t>& SafetensorsReader::shape(std::string_view name) const {
  return place(name).entry->shape;
}

const fs::path& SafetensorsReader::file_of(std::string_view name) const {
  return files_[place(name).file].path;
}

StoredTensor SafetensorsReader::tensor(std::string_view name) const {
  const Place& where = place(name);
  const File& file = files_[where.file];
  if (!where.entry->dtype) {
    user_error("{}: tensor '{}' is stored as {}; weights must be BF16, F16 or F32",
               file.path.string(), name, where.entry->stored_dtype);
  }
  return {*where.entry->dtype, where.entry->shape,
          file.map.bytes().subspan(file.header.data_offset + where.entry->begin,
                                   where.entry->end - where.entry->begin),
          &file.path};
}

void SafetensorsReader::read_rectangle(std::string_view name, std::int64_t row, std::int64_t col,
                                       const MatrixView& out) const {
  const StoredTensor stored = tensor(name);
  if (!is_weight_dtype(stored.dtype)) {
    user_error("{}: tensor '{}' is stored as {}; weights must be BF16, F16 or F32",
               stored.file->string(), name, stored_dtype(name));
  }
  const std::size_t dimensions = stored.shape.size();
  LONGHAUL_CHECK(dimensions == 1 || dimensions == 2, "{} has shape [{}]", name,
                 fmt::join(stored.shape, ", "));
  const std::int64_t rows = stored.shape[0];
  const std::int64_t cols = dimensions == 2 ? stored.shape[1] : 1;
  LONGHAUL_CHECK(row >= 0 && col >= 0 && out.rows >= 0 && out.cols >= 0 && row <= rows - out.rows &&
                     col <= cols - out.cols,
                 "rectangle ({}, {}) of {} x {} in {} [{}, {}]", row, col, out.rows, out.cols, name,
                 rows, cols);
  const auto element = static_cast<std::int64_t>(size_of(stored.dtype));
  const auto out_element = static_cast<std::int64_t>(size_of(out.dtype));
  const std::byte* const first = stored.bytes.data() + (row * cols + col) * element;
  if (out.cols == cols && out.contiguous()) {  // whole rows: one run of bytes
    convert_values(first, stored.dtype, out.data, out.dtype, out.size());
    return;
  }
  for (std::int64_t i = 0; i < out.rows; ++i) {
    convert_values(first + i * cols * element, stored.dtype,
                   out.as<std::byte>() + i * out.stride * out_element, out.dtype, out.cols);
  }
}

}  // namespace longhaul
