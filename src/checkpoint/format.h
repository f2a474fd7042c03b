#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint_hdf5.h"
#include "checkpoint/reader.h"
#include "checkpoint/slab_record.h"

namespace longhaul {

// What docs/checkpoint_format.md specifies: names and tables that writer and reader share.

/// Readers refuse newer versions than theirs. Adding attributes or columns needs no new version.
inline constexpr std::int64_t kFormatVersion = 1;
inline constexpr const char* kIndexFormat = "longhaul checkpoint index";
inline constexpr const char* kShardFormat = "longhaul checkpoint shard";

// Attributes of the root group.
inline constexpr const char* kFormatAttribute = "format";
inline constexpr const char* kVersionAttribute = "format_version";
inline constexpr const char* kIdAttribute = "checkpoint_id";
inline constexpr const char* kStepAttribute = "step";
inline constexpr const char* kShardAttribute = "shard";    // shards only: its number
inline constexpr const char* kShardsAttribute = "shards";  // how many there are
inline constexpr const char* kWrittenAttribute = "written";

// Bookkeeping; tensors are everywhere else in the file.
inline constexpr const char* kMetadataPath = "checkpoint/metadata";
inline constexpr const char* kTensorsPath = "checkpoint/tensors";
inline constexpr const char* kSlabsPath = "checkpoint/slabs";
inline constexpr const char* kShardsPath = "checkpoint/shards";
inline constexpr const char* kBfloat16Path = "checkpoint/bfloat16";

/// A checkpoint of a format version that this program does not know yet; nothing is damaged.
class NewerFormatError : public UserError {
 public:
  NewerFormatError(const std::filesystem::path& file, std::int64_t version);
};

/// What makes the files of one checkpoint belong together.
struct CheckpointIdentity {
  std::string id;  // 32 random hexadecimal digits
  std::int64_t step = 0;
  std::int64_t shards = 0;
};

/// A row of the table of slabs.
struct SlabRow {
  std::int64_t tensor = 0;  // row in the table of tensors
  std::int64_t shard = 0;
  TensorSlice slice;
  std::int64_t file_offset = 0;
  std::uint32_t crc = 0;

  [[nodiscard]] bool operator==(const SlabRow&) const = default;
};

/// The tables of tensors and of slabs; an index has those of all shards, a shard its own.
struct SlabTables {
  std::vector<CheckpointTensor> tensors;
  std::vector<SlabRow> slabs;

  void write(hid_t file_id, const std::filesystem::path& file) const;
  /// Throws UserError when a table is missing or rows make no sense.
  static SlabTables read(hid_t file_id, const std::filesystem::path& file);
};

void write_identity(hid_t file_id, const char* format, const CheckpointIdentity& identity,
                    const std::filesystem::path& file);
/// Throws UserError when the file is none of `format` or of a newer version.
CheckpointIdentity read_identity(hid_t file_id, const char* format,
                                 const std::filesystem::path& file);

/// The types that tensors of one file are stored in: bfloat16 is committed under a name, so that
/// h5dump and h5ls say what it is.
class TensorTypes {
 public:
  TensorTypes(hid_t file_id, std::filesystem::path file)
      : file_id_(file_id), file_(std::move(file)) {}
  /// Owned by this object.
  hid_t get(DType dtype);

 private:
  hid_t file_id_;
  std::filesystem::path file_;
  std::vector<std::pair<DType, Hdf5Id>> types_;
};

}  // namespace longhaul
