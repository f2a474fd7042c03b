#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor/dtype.h"
#include "core/tensor/matrix.h"
#include "hf/mapped_file.h"
#include "hf/safetensors_header.h"

namespace longhaul {

/// One stored tensor, in place: `bytes` points into the mapped file and may be unaligned.
struct StoredTensor {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
  const std::filesystem::path* file = nullptr;
};

/// The tensors of one safetensors file, or of all shards of a model directory. Data is read from
/// disk when it is used. Safe for concurrent use once constructed.
class SafetensorsReader {
 public:
  /// path: a .safetensors file, or a directory with model.safetensors or
  /// model.safetensors.index.json and the shards that it names. Throws UserError when a file is
  /// missing or damaged, or when the index and the shards disagree.
  explicit SafetensorsReader(const std::filesystem::path& path);

  /// Names in alphabetical order.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] bool contains(std::string_view name) const;
  /// Throws UserError when there is no such tensor, or its dtype is none of ours (FP8, say).
  [[nodiscard]] StoredTensor tensor(std::string_view name) const;
  /// The dtype as the file spells it: "BF16". The tensor must be there.
  [[nodiscard]] const std::string& stored_dtype(std::string_view name) const;
  [[nodiscard]] const std::vector<std::int64_t>& shape(std::string_view name) const;
  /// The file that holds the tensor.
  [[nodiscard]] const std::filesystem::path& file_of(std::string_view name) const;

  /// Rows row .. row + out.rows and columns col .. col + out.cols of a tensor of one dimension
  /// (then columns are 0 .. 1) or two -> out, overwritten, converted to out.dtype (f32, bf16, f16).
  /// Throws UserError when the tensor is missing or of another dtype.
  void read_rectangle(std::string_view name, std::int64_t row, std::int64_t col,
                      const MatrixView& out) const;

 private:
  struct File {
    std::filesystem::path path;
    MappedFile map;
    SafetensorsHeader header;
  };
  struct Place {
    std::size_t file;
    const SafetensorsEntry* entry;
  };

  void open_index(const std::filesystem::path& index);
  void add_file(const std::filesystem::path& path);
  [[nodiscard]] const Place& place(std::string_view name) const;

  std::filesystem::path source_;
  std::vector<File> files_;
  std::map<std::string, Place, std::less<>> places_;
};

}  // namespace longhaul
