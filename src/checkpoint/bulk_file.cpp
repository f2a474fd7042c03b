#include "checkpoint/bulk_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "checkpoint/background_work.h"
#include "core/error.h"
#include "core/humanize.h"
#include "core/rounding.h"

namespace longhaul {
namespace {

constexpr std::size_t kBlock = 4096;                   // what any disk and file system asks for
constexpr std::size_t kPiece = std::size_t{16} << 20;  // bytes per write
// Where the page cache is used: bytes between two syncs. The disk is kept busy from the start, the
// last sync is short, and whoever stops the writing need not wait for all that the system took in.
constexpr std::size_t kSyncInterval = std::size_t{256} << 20;

}  // namespace

BulkFile::BulkFile(std::filesystem::path file, std::stop_token stop)
    : file_(std::move(file)),
      stop_(std::move(stop)),
      usual_(open_to_write(file_)),
      direct_(::open(file_.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC)),
      buffer_(static_cast<std::byte*>(std::aligned_alloc(kBlock, kPiece))) {
  LONGHAUL_CHECK(buffer_ != nullptr, "no memory for {} bytes", kPiece);
}

void BulkFile::seek(std::int64_t offset) {
  if (offset == base_ + static_cast<std::int64_t>(end_)) return;  // the run goes on
  flush();
  begin_ = end_ = static_cast<std::size_t>(offset) % kBlock;
  base_ = offset - static_cast<std::int64_t>(begin_);
}

void BulkFile::append(const std::byte* data, std::size_t bytes) {
  while (bytes > 0) {
    const std::size_t part = std::min(bytes, kPiece - end_);
    std::memcpy(buffer_.get() + end_, data, part);
    end_ += part;
    data += part;
    bytes -= part;
    if (end_ == kPiece) flush();
  }
}

void BulkFile::sync() {
  flush();
  sync_file(usual_, file_);
  unsynced_ = 0;
}

/// Afterwards the run goes on in an empty buffer.
void BulkFile::flush() {
  throw_if_stopped(stop_);
  const std::size_t first_block = round_up(begin_, kBlock);
  const std::size_t last_block = end_ / kBlock * kBlock;
  const auto write = [&](std::size_t begin, std::size_t end) {
    if (begin >= end) return;
    write_as_usual(base_ + static_cast<std::int64_t>(begin), buffer_.get() + begin, end - begin);
  };
  if (direct_.valid() && first_block < last_block) {
    write(begin_, first_block);
    const std::size_t done = write_directly(base_ + static_cast<std::int64_t>(first_block),
                                            buffer_.get() + first_block, last_block - first_block);
    write(first_block + done, end_);
  } else {
    write(begin_, end_);
  }
  base_ += static_cast<std::int64_t>(last_block);
  begin_ = end_ = end_ - last_block;
}

/// Returns how many bytes were written, in whole blocks; fewer when the file system refuses.
std::size_t BulkFile::write_directly(std::int64_t offset, const std::byte* data,
                                     std::size_t bytes) {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t count = ::pwrite(direct_.get(), data + done, bytes - done,
                                   offset + static_cast<std::int64_t>(done));
    if (count < 0 && errno == EINTR) continue;
    const bool refused = count < 0 && (errno == EINVAL || errno == EOPNOTSUPP);
    if (count < 0 && !refused) {
      throw UserError(
          io_error_text(file_,
                        fmt::format("cannot write {} at byte {}", human_bytes(bytes - done),
                                    offset + static_cast<std::int64_t>(done)),
                        errno));
    }
    const std::size_t blocks = refused ? 0 : static_cast<std::size_t>(count) / kBlock * kBlock;
    done += blocks;
    if (refused) direct_ = FileDescriptor();
    if (blocks == 0) break;  // the usual way will do it, or say why not
  }
  return done;
}

void BulkFile::write_as_usual(std::int64_t offset, const std::byte* data, std::size_t bytes) {
  write_at(usual_, offset, data, bytes, file_);
  unsynced_ += bytes;
  if (unsynced_ < kSyncInterval) return;
  sync_file(usual_, file_);
  unsynced_ = 0;
}

}  // namespace longhaul
