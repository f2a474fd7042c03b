#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stop_token>

#include "core/file.h"

namespace longhaul {

/// Writes long runs of bytes into an existing file, past the system's page cache where the file
/// system allows it (O_DIRECT): the bytes are in memory already, so a second copy there costs
/// several times the processor time of the copy here, and as much memory as all the ranks of a host
/// write, for nothing. Whole blocks of a run go that way; what shares a block with something else,
/// and everything where the file system refuses, is written as usual.
///
/// All methods throw UserError when the system refuses, naming the file, and WorkStopped soon after
/// `stop` was requested.
class BulkFile {
 public:
  BulkFile(std::filesystem::path file, std::stop_token stop);

  /// Where the bytes appended next belong.
  void seek(std::int64_t offset);
  void append(const std::byte* data, std::size_t bytes);
  /// Waits until everything appended is on disk.
  void sync();

  /// For reading and for setting the size, between runs.
  [[nodiscard]] const FileDescriptor& descriptor() const { return usual_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  void flush();
  std::size_t write_directly(std::int64_t offset, const std::byte* data, std::size_t bytes);
  void write_as_usual(std::int64_t offset, const std::byte* data, std::size_t bytes);

  std::filesystem::path file_;
  std::stop_token stop_;
  FileDescriptor usual_;
  FileDescriptor direct_;  // invalid where the file system refuses
  // The bytes begin_..end_ of the buffer belong to begin_..end_ after base_ in the file.
  std::unique_ptr<std::byte, Free> buffer_;
  std::int64_t base_ = 0;  // a multiple of the block
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t unsynced_ = 0;  // bytes in the page cache
};

}  // namespace longhaul
