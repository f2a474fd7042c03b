#include "hf/safetensors_writer.h"

#include <cstring>

#include "core/error.h"
#include "core/json.h"
#include "hf/safetensors_header.h"

namespace longhaul {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kAlignment = 8;

/// Length and JSON text, padded so that the data begins at a multiple of 8.
std::string header_bytes(const SafetensorsTensor* tensors, std::size_t count) {
  Json json;
  // What torch's loaders look for.
  json["__metadata__"] = {{"format", "pt"}};
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Json entry;
    entry["dtype"] = safetensors_name(tensors[i].dtype);
    entry["shape"] = tensors[i].shape;
    entry["data_offsets"] = {offset, offset + tensors[i].bytes()};
    offset += tensors[i].bytes();
    json[tensors[i].name] = std::move(entry);
  }
  std::string text = dump_json(json);
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  const auto length = static_cast<std::uint64_t>(text.size());
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + text;
}

}  // namespace

std::int64_t SafetensorsTensor::bytes() const {
  auto bytes = static_cast<std::int64_t>(size_of(dtype));
  for (const std::int64_t size : shape) bytes *= size;
  return bytes;
}

SafetensorsWriter::SafetensorsWriter(std::filesystem::path directory,
                                     std::vector<SafetensorsTensor> tensors,
                                     std::int64_t max_shard_bytes)
    : directory_(std::move(directory)), tensors_(std::move(tensors)) {
  LONGHAUL_CHECK(!tensors_.empty() && max_shard_bytes > 0, "{} tensors, shards of {} bytes",
                 tensors_.size(), max_shard_bytes);
  std::int64_t in_shard = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const std::int64_t bytes = tensors_[i].bytes();
    if (shards_.empty() || (in_shard > 0 && in_shard + bytes > max_shard_bytes)) {
      shards_.push_back({"", i, 0});
      in_shard = 0;
    }
    ++shards_.back().count;
    in_shard += bytes;
    tensor_bytes_ += bytes;
  }
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    shards_[i].file = shards_.size() == 1
                          ? "model.safetensors"
                          : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards_.size());
  }
  open_shard();
  settle();
}

void SafetensorsWriter::open_shard() {
  const Shard& shard = shards_[shard_];
  const std::filesystem::path path = directory_ / shard.file;
  create_file(path);
  file_ = open_to_write(path);
  const std::string header = header_bytes(&tensors_[shard.first], shard.count);
  auto bytes = static_cast<std::int64_t>(header.size());
  for (std::size_t i = 0; i < shard.count; ++i) bytes += tensors_[shard.first + i].bytes();
  reserve_space(file_.get(), bytes, path);
  write_at(file_, 0, header.data(), header.size(), path);
  offset_ = static_cast<std::int64_t>(header.size());
}

void SafetensorsWriter::close_shard() {
  sync_file(file_, directory_ / shards_[shard_].file);
  file_ = FileDescriptor();
}

void SafetensorsWriter::settle() {
  while (tensor_ < tensors_.size() && done_ == tensors_[tensor_].bytes()) {
    ++tensor_;
    done_ = 0;
    if (tensor_ < shards_[shard_].first + shards_[shard_].count) continue;
    close_shard();
    if (++shard_ < shards_.size()) open_shard();
  }
}

void SafetensorsWriter::append(const void* data, std::size_t bytes) {
  LONGHAUL_CHECK(tensor_ < tensors_.size(), "{} bytes after the last tensor", bytes);
  const auto count = static_cast<std::int64_t>(bytes);
  LONGHAUL_CHECK(done_ + count <= tensors_[tensor_].bytes(),
                 "{} bytes at byte {} of {}, which has {}", bytes, done_, tensors_[tensor_].name,
                 tensors_[tensor_].bytes());
  write_at(file_, offset_, data, bytes, directory_ / shards_[shard_].file);
  offset_ += count;
  done_ += count;
  settle();
}

void SafetensorsWriter::finish() {
  LONGHAUL_CHECK(tensor_ == tensors_.size(), "only {} of {} tensors were written", tensor_,
                 tensors_.size());
  if (shards_.size() > 1) write_index();
  sync_directory(directory_);
}

void SafetensorsWriter::write_index() const {
  Json json;
  json["metadata"]["total_size"] = tensor_bytes_;
  Json& map = json["weight_map"];
  for (const Shard& shard : shards_) {
    for (std::size_t i = 0; i < shard.count; ++i) map[tensors_[shard.first + i].name] = shard.file;
  }
  write_text_file(directory_ / "model.safetensors.index.json", dump_json(json, 2) + "\n");
}

std::vector<std::string> SafetensorsWriter::files() const {
  std::vector<std::string> names;
  for (const Shard& shard : shards_) names.push_back(shard.file);
  return names;
}

}  // namespace longhaul
