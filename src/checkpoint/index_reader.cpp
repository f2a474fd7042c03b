#include "checkpoint/index_reader.h"

#include "checkpoint/file_crc.h"
#include "checkpoint/naming.h"
#include "checkpoint/save_directory.h"
#include "checkpoint/seal.h"
#include "core/file.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

void check_is_complete(const fs::path& directory) {
  std::error_code none;
  if (!fs::is_directory(directory, none)) {
    user_error("{}: is not a directory with a checkpoint; check the path", directory.string());
  }
  const std::string name = directory.filename().string();
  const std::string_view suffix = kTemporarySuffix;
  if (name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix) {
    user_error(
        "{}: is half a checkpoint: its writing was interrupted; give the save directory {} "
        "to use the newest complete one",
        directory.string(), directory.parent_path().string());
  }
  if (!holds_checkpoint_files(directory)) {
    user_error(
        "{}: is not a checkpoint: it has no {}; give a save directory or one of its "
        "step_... folders",
        directory.string(), kIndexFileName);
  }
}

/// Rows must be in order and name existing shards: a check on the program that wrote them, since
/// the bytes are right.
void number_slabs(CheckpointIndex& index, const fs::path& file) {
  const std::size_t tensors = index.tables.tensors.size();
  index.first_slab.assign(tensors + 1, 0);
  std::int64_t last = 0;
  for (const SlabRow& slab : index.tables.slabs) {
    if (slab.tensor < last || slab.shard < 0 ||
        slab.shard >= static_cast<std::int64_t>(index.shards.size())) {
      user_error("{}: table {} is not in order; the file was not written by this program",
                 file.string(), kSlabsPath);
    }
    last = slab.tensor;
    ++index.first_slab[static_cast<std::size_t>(slab.tensor) + 1];
  }
  for (std::size_t i = 0; i < tensors; ++i) index.first_slab[i + 1] += index.first_slab[i];
}

CheckpointIndex load(const fs::path& directory) {
  const Seal seal = read_seal(directory);
  const fs::path file = directory / kIndexFileName;
  {
    const FileDescriptor fd = open_to_read(file);
    const std::int64_t bytes = file_size(fd, file);
    if (bytes != seal.index_bytes) {
      user_error("{}: is {} bytes long instead of {}", file.string(), bytes, seal.index_bytes);
    }
    Crc32c crc;
    update_from_file(crc, fd, 0, bytes, file);
    if (crc.value() != seal.index_crc) {
      user_error("{}: does not match its checksum in {}: {:08x} instead of {:08x}", file.string(),
                 kSealFileName, crc.value(), seal.index_crc);
    }
  }
  const Hdf5Id id = open_hdf5_file(file);
  CheckpointIndex index;
  index.directory = directory;
  index.identity = read_identity(id.get(), kIndexFormat, file);
  index.written = read_string_attribute(id.get(), kWrittenAttribute, file);
  index.metadata = read_text_dataset(id.get(), kMetadataPath, file);
  index.index_bytes = seal.index_bytes;
  index.tables = SlabTables::read(id.get(), file);
  index.shards = read_shard_table(id.get(), file);
  number_slabs(index, file);
  return index;
}

}  // namespace

CheckpointIndex load_index(const fs::path& given) {
  const fs::path step_directory = without_trailing_slash(given);
  check_is_complete(step_directory);
  try {
    return load(step_directory);
  } catch (const NewerFormatError&) {
    throw;
  } catch (const std::runtime_error& error) {
    user_error("{}; {}", error.what(), recovery_advice(step_directory));
  }
}

}  // namespace longhaul
