#include "metrics/file_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "core/error.h"

namespace longhaul {
namespace {

[[noreturn]] void io_error(const std::filesystem::path& path, const char* operation, int number) {
  const char* advice = number == ENOSPC || number == EDQUOT ? "free space on that file system"
                                                            : "check the path and its permissions";
  user_error("{}: {} failed: {}; {}", path.string(), operation, std::strerror(number), advice);
}

}  // namespace

int open_for_append(const std::filesystem::path& path, OpenMode mode) {
  int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  if (mode == OpenMode::must_be_new) flags |= O_EXCL;
  if (mode == OpenMode::truncate) flags |= O_TRUNC;
  const int file = ::open(path.c_str(), flags, 0644);
  if (file < 0) io_error(path, "opening for writing", errno);
  return file;
}

void write_all(int file, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      io_error(path, "writing", errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void sync_file(int file, const std::filesystem::path& path) {
  // Pipes and devices have nothing to wait for and say so.
  if (::fsync(file) != 0 && errno != EINVAL && errno != EROFS) io_error(path, "fsync", errno);
}

void replace_file(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  const int file = open_for_append(temporary, OpenMode::truncate);
  try {
    write_all(file, content, temporary);
    sync_file(file, temporary);
  } catch (...) {
    ::close(file);
    throw;
  }
  ::close(file);
  if (::rename(temporary.c_str(), path.c_str()) != 0) io_error(path, "replacing the file", errno);
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  const int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) io_error(parent, "opening the folder", errno);
  const int failed = ::fsync(folder) != 0 && errno != EINVAL ? errno : 0;
  ::close(folder);
  if (failed != 0) io_error(parent, "fsync", failed);
}

}  // namespace longhaul
