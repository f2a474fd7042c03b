#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/slab.h"

namespace longhaul {

/// Does the directory look like a save directory or a checkpoint (rather than a Hugging Face
/// model)?
bool is_checkpoint(const std::filesystem::path& path);

/// The checkpoint that `path` means: itself when it is one (step_00000050), else the complete one
/// of a save directory that was written last. Empty when there is none. Half-written folders are
/// ignored, and so is a `latest` that names something else: `note`, if given, then gets a sentence
/// for the user about it (else it is cleared).
std::optional<std::filesystem::path> find_checkpoint(const std::filesystem::path& path,
                                                     std::string* note = nullptr);

/// The same for a path that must be a checkpoint or hold one. Throws UserError that says why it is
/// not and what to do.
std::filesystem::path require_checkpoint(const std::filesystem::path& path,
                                         std::string* note = nullptr);

/// One tensor as a checkpoint describes it.
struct CheckpointTensor {
  std::string path;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
};

/// Reads one checkpoint (a step_... folder), whatever layout wrote it. Opening checks the index
/// against its checksum, and that every shard that it names exists, is complete and belongs to it;
/// read() checks the checksum of each slab that it touches, once, whole, with little memory. Throws
/// UserError naming file, tensor and what to do. Not collective: each rank opens its own. Not for
/// several threads at once.
class CheckpointReader {
 public:
  explicit CheckpointReader(const std::filesystem::path& step_directory);
  ~CheckpointReader();
  CheckpointReader(const CheckpointReader&) = delete;
  CheckpointReader& operator=(const CheckpointReader&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const;
  [[nodiscard]] std::int64_t step() const;
  /// When it was written: UTC, "2025-06-01T12:34:56.123456789Z".
  [[nodiscard]] const std::string& written() const;
  /// How many shards there are: one for each rank that wrote it.
  [[nodiscard]] int shards() const;
  /// Size of index and shards together, in bytes.
  [[nodiscard]] std::int64_t bytes() const;
  /// The JSON text that was written.
  [[nodiscard]] const std::string& metadata() const;
  [[nodiscard]] const std::vector<CheckpointTensor>& tensors() const;
  /// Null when there is no such tensor.
  [[nodiscard]] const CheckpointTensor* find(const std::string& path) const;

  /// Overwrites `data` with a slice of a tensor, which must lie inside it: in the tensor's own
  /// dtype, row-major, rows `row_stride` elements apart.
  void read(const std::string& path, const TensorSlice& slice, void* data,
            std::int64_t row_stride) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace longhaul
