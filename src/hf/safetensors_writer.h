#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/tensor/dtype.h"

namespace longhaul {

/// A tensor to be written. dtype: f32, bf16 or f16.
struct SafetensorsTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;

  [[nodiscard]] std::int64_t bytes() const;
};

/// Writes tensors as model.safetensors, or, when they are more than max_shard_bytes together, as
/// model-00001-of-0000N.safetensors with model.safetensors.index.json, as transformers does. Data
/// passes through: nothing is kept in memory. The files are for a directory that nobody reads yet
/// (see OutputDirectory): they are complete only after finish().
class SafetensorsWriter {
 public:
  /// Plans the shards: tensors stay in order, and one larger than a shard gets its own.
  SafetensorsWriter(std::filesystem::path directory, std::vector<SafetensorsTensor> tensors,
                    std::int64_t max_shard_bytes);

  /// The next bytes of the tensors, one after the other in the constructor's order, row-major; a
  /// call must not reach past the end of the current tensor. Throws UserError when the disk is full
  /// or not writable.
  void append(const void* data, std::size_t bytes);
  /// Writes the index, if any, and waits until everything is on disk. Everything must have come.
  void finish();

  /// Names of the files with tensors.
  [[nodiscard]] std::vector<std::string> files() const;
  /// Bytes of all tensors.
  [[nodiscard]] std::int64_t tensor_bytes() const { return tensor_bytes_; }

 private:
  struct Shard {
    std::string file;
    std::size_t first = 0;  // of tensors_
    std::size_t count = 0;
  };

  void open_shard();
  void close_shard();
  /// Passes over tensors without elements, and opens and closes shards as the place demands.
  void settle();
  void write_index() const;

  std::filesystem::path directory_;
  std::vector<SafetensorsTensor> tensors_;
  std::vector<Shard> shards_;
  std::int64_t tensor_bytes_ = 0;
  // Where the next byte goes.
  std::size_t shard_ = 0;
  std::size_t tensor_ = 0;
  std::int64_t done_ = 0;    // bytes of tensor_
  std::int64_t offset_ = 0;  // in the shard's file
  FileDescriptor file_;
};

}  // namespace longhaul
