#include "checkpoint/shard_file.h"

#include <algorithm>

#include "checkpoint/file_crc.h"
#include "checkpoint/naming.h"
#include "core/crc32c.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kPieceBytes = std::int64_t{4} << 20;

std::int64_t element_bytes(const CheckpointIndex& index, const SlabRow& slab) {
  return static_cast<std::int64_t>(size_of(index.tensor_of(slab).dtype));
}

/// Cuts `slice` into pieces of whole rows of up to kPieceBytes, or parts of a row when one row is
/// longer, in order.
template <typename Use>
void for_each_piece(const TensorSlice& slice, std::int64_t element, Use use) {
  const std::int64_t most = std::max<std::int64_t>(kPieceBytes / element, 1);
  if (slice.cols <= most) {
    const std::int64_t rows = std::max<std::int64_t>(most / slice.cols, 1);
    for (std::int64_t row = 0; row < slice.rows; row += rows) {
      use(TensorSlice{slice.row + row, slice.col, std::min(rows, slice.rows - row), slice.cols});
    }
    return;
  }
  for (std::int64_t row = 0; row < slice.rows; ++row) {
    for (std::int64_t col = 0; col < slice.cols; col += most) {
      use(TensorSlice{slice.row + row, slice.col + col, 1, std::min(most, slice.cols - col)});
    }
  }
}

/// A piece of whole rows, or within one row, is contiguous in the file.
void read_piece(const SlabRow& slab, const TensorSlice& piece, std::int64_t element,
                const FileDescriptor& fd, const fs::path& file, std::vector<std::byte>& buffer) {
  const std::int64_t first =
      (piece.row - slab.slice.row) * slab.slice.cols + piece.col - slab.slice.col;
  buffer.resize(static_cast<std::size_t>(piece.size() * element));
  read_at(fd, slab.file_offset + first * element, buffer.data(), buffer.size(), file);
}

}  // namespace

FileDescriptor open_shard(const CheckpointIndex& index, std::size_t shard) {
  const ShardRow& row = index.shards[shard];
  const fs::path file = index.directory / row.file_name;
  std::error_code none;
  if (!fs::exists(file, none)) {
    user_error("{}: is missing: the checkpoint of step {} has {} shards", file.string(),
               index.identity.step, index.shards.size());
  }
  FileDescriptor fd = open_to_read(file);
  const std::int64_t bytes = file_size(fd, file);
  if (bytes != row.bytes) {
    user_error("{}: is {} bytes long instead of {}: it was {}", file.string(), bytes, row.bytes,
               bytes < row.bytes ? "truncated" : "changed");
  }
  const Hdf5Id id = open_hdf5_file(file);
  const CheckpointIdentity found = read_identity(id.get(), kShardFormat, file);
  const std::int64_t number = read_integer_attribute(id.get(), kShardAttribute, file);
  if (found.id != index.identity.id || found.step != index.identity.step ||
      found.shards != index.identity.shards || number != static_cast<std::int64_t>(shard)) {
    user_error(
        "{}: belongs to another checkpoint (shard {} of {}, step {}, id {}; the index wants "
        "shard {} of {}, step {}, id {})",
        file.string(), number, found.shards, found.step, found.id, shard, index.identity.shards,
        index.identity.step, index.identity.id);
  }
  return fd;
}

void check_shard_metadata(const CheckpointIndex& index, std::size_t shard,
                          const FileDescriptor& fd) {
  const ShardRow& row = index.shards[shard];
  std::vector<ByteRange> data;
  for (const SlabRow& slab : index.tables.slabs) {
    if (slab.shard == static_cast<std::int64_t>(shard)) {
      data.push_back({slab.file_offset, slab.slice.size() * element_bytes(index, slab)});
    }
  }
  const fs::path file = index.directory / row.file_name;
  const std::uint32_t crc = crc_outside(fd, row.bytes, std::move(data), file);
  if (crc != row.metadata_crc) {
    user_error(
        "{}: its structure (names, types, tables) does not match its checksum: {:08x} "
        "instead of {:08x}; the file was damaged after it was written",
        file.string(), crc, row.metadata_crc);
  }
}

void read_slab_checked(const CheckpointIndex& index, const SlabRow& slab, const FileDescriptor& fd,
                       const PieceSink& sink) {
  const CheckpointTensor& tensor = index.tensor_of(slab);
  const fs::path file = index.shard_path(slab);
  const std::int64_t element = element_bytes(index, slab);
  Crc32c crc;
  std::vector<std::byte> buffer;
  for_each_piece(slab.slice, element, [&](const TensorSlice& piece) {
    read_piece(slab, piece, element, fd, file, buffer);
    crc.update(buffer.data(), buffer.size());
    sink(piece, buffer.data());
  });
  if (crc.value() != slab.crc) {
    user_error(
        "{}: {} ({}; bytes {}..{} of the file) does not match its checksum: {:08x} instead "
        "of {:08x}; the file was damaged after it was written",
        file.string(), display_name(tensor.path), describe(slab.slice, tensor.shape.size()),
        slab.file_offset, slab.file_offset + slab.slice.size() * element - 1, crc.value(),
        slab.crc);
  }
}

void read_slab_part(const CheckpointIndex& index, const SlabRow& slab, const TensorSlice& wanted,
                    const FileDescriptor& fd, const PieceSink& sink) {
  TensorSlice part = intersect(slab.slice, wanted);
  if (part.size() == 0) return;
  const fs::path file = index.shard_path(slab);
  const std::int64_t element = element_bytes(index, slab);
  std::vector<std::byte> buffer;
  // Few columns: row by row. Else whole rows: fewer, longer reads.
  constexpr std::int64_t kLongRun = 4096;
  const bool by_rows = part.cols * 4 < slab.slice.cols || part.cols * element >= kLongRun;
  if (part.cols < slab.slice.cols && by_rows) {
    for (std::int64_t row = 0; row < part.rows; ++row) {
      for_each_piece(TensorSlice{part.row + row, part.col, 1, part.cols}, element,
                     [&](const TensorSlice& piece) {
                       read_piece(slab, piece, element, fd, file, buffer);
                       sink(piece, buffer.data());
                     });
    }
    return;
  }
  part.col = slab.slice.col;
  part.cols = slab.slice.cols;
  for_each_piece(part, element, [&](const TensorSlice& piece) {
    read_piece(slab, piece, element, fd, file, buffer);
    sink(piece, buffer.data());
  });
}

}  // namespace longhaul
