#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/error.h"
#include "core/humanize.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

std::string advice(int error, const fs::path& path) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: {
      std::error_code none;
      const fs::space_info space = fs::space(path.parent_path(), none);
      const std::string left = none ? "" : fmt::format(" ({} left)", human_bytes(space.available));
      return fmt::format("free space there{} or use another directory", left);
    }
    case EFBIG:
      return "raise the limit on the size of a file ('ulimit -f unlimited') or use another file "
             "system";
    case EACCES:
    case EPERM:
    case EROFS:
      return "make the directory writable for this user or use another directory";
    case EIO:
      return "the disk or its connection failed; check the system's log and use another directory";
    case ENOENT:
      return "check the path";
    case EISDIR:
      return "give a file instead";
    case EEXIST:
      return "move it away or choose another name";
    case EMFILE:
    case ENFILE:
      return "raise the limit on open files ('ulimit -n')";
    default:
      return "check the path and the file system";
  }
}

[[noreturn]] void fail(const fs::path& path, std::string_view what, int error) {
  throw UserError(io_error_text(path, what, error));
}

}  // namespace

std::string io_error_text(const fs::path& path, std::string_view what, int error) {
  return fmt::format("{}: {}: {}; {}", path.string(), what, std::generic_category().message(error),
                     advice(error, path));
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void create_file(const fs::path& file) {
  const FileDescriptor fd(::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!fd.valid()) fail(file, "cannot be created", errno);
}

FileDescriptor open_to_append(const fs::path& file, AppendTo what) {
  const int exclusive = what == AppendTo::new_file ? O_EXCL : 0;
  FileDescriptor fd(
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | exclusive, 0666));
  if (!fd.valid()) fail(file, "cannot be opened for writing", errno);
  return fd;
}

FileDescriptor open_to_read(const fs::path& file) {
  FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) fail(file, "cannot be opened for reading", errno);
  return fd;
}

FileDescriptor open_to_write(const fs::path& file) {
  FileDescriptor fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) fail(file, "cannot be opened for writing", errno);
  return fd;
}

std::int64_t file_size(const FileDescriptor& fd, const fs::path& file) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail(file, "its size cannot be read", errno);
  return status.st_size;
}

void reserve_space(int fd, std::int64_t bytes, const fs::path& file) {
  if (bytes <= 0 || ::fallocate(fd, 0, 0, bytes) == 0) return;
  const int error = errno;
  if (error == EOPNOTSUPP || error == ENOSYS || error == EINVAL) return;
  // Some file systems keep what they could get.
  if (::ftruncate(fd, 0) != 0) {
    fail(file, "cannot be emptied", errno);
  }
  fail(file, fmt::format("cannot set {} aside", human_bytes(bytes)), error);
}

void set_file_size(const FileDescriptor& fd, std::int64_t bytes, const fs::path& file) {
  if (::ftruncate(fd.get(), bytes) != 0) {
    fail(file, fmt::format("cannot be made {} long", human_bytes(bytes)), errno);
  }
}

void write_at(const FileDescriptor& fd, std::int64_t offset, const void* data, std::size_t bytes,
              const fs::path& file) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::pwrite(fd.get(), at, bytes, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      fail(file, fmt::format("cannot write {} at byte {}", human_bytes(bytes), offset),
           done < 0 ? errno : ENOSPC);
    }
    at += done;
    offset += done;
    bytes -= static_cast<std::size_t>(done);
  }
}

void append_text(const FileDescriptor& fd, std::string_view text, const fs::path& file) {
  while (!text.empty()) {
    const ssize_t done = ::write(fd.get(), text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail(file, "cannot be written", done < 0 ? errno : ENOSPC);
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

void read_at(const FileDescriptor& fd, std::int64_t offset, void* data, std::size_t bytes,
             const fs::path& file) {
  auto* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::pread(fd.get(), at, bytes, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(file, fmt::format("cannot be read at byte {}", offset), errno);
    if (done == 0) {
      user_error("{}: ends at byte {}, {} too early; it was truncated: restore it from a copy",
                 file.string(), offset, human_bytes(bytes));
    }
    at += done;
    offset += done;
    bytes -= static_cast<std::size_t>(done);
  }
}

void sync_file(const FileDescriptor& fd, const fs::path& file) {
  if (::fsync(fd.get()) != 0) fail(file, "cannot be flushed to disk", errno);
}

void sync_directory(const fs::path& directory) {
  const char* const path = directory.empty() ? "." : directory.c_str();
  const FileDescriptor fd(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) fail(directory, "cannot be opened", errno);
  // Some network file systems have nothing to sync for a folder and say so.
  if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != EROFS) {
    fail(directory, "cannot be flushed to disk", errno);
  }
}

void write_text_file(const fs::path& file, std::string_view text) {
  const FileDescriptor fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!fd.valid()) fail(file, "cannot be created", errno);
  write_at(fd, 0, text.data(), text.size(), file);
  sync_file(fd, file);
}

void replace_text_file(const fs::path& file, std::string_view text) {
  fs::path temporary = file;
  temporary += ".tmp";
  write_text_file(temporary, text);
  rename_path(temporary, file);
  sync_directory(file.parent_path());
}

std::string read_text_file(const fs::path& file) {
  constexpr std::size_t kLeast = 4096;
  const FileDescriptor fd = open_to_read(file);
  // One byte more than its size, so that the end is found without growing.
  std::string text(std::max(static_cast<std::size_t>(file_size(fd, file)) + 1, kLeast), '\0');
  std::size_t size = 0;
  while (true) {
    const ssize_t done = ::read(fd.get(), text.data() + size, text.size() - size);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(file, "cannot be read", errno);
    if (done == 0) break;
    size += static_cast<std::size_t>(done);
    if (size == text.size()) text.resize(2 * size);
  }
  text.resize(size);
  return text;
}

void rename_path(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    fail(from, fmt::format("cannot be renamed to {}", to.filename().string()), errno);
  }
}

void remove_path(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail(path, "cannot be removed", error.value());
}

std::int64_t free_bytes(const fs::path& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) fail(path, "its free space cannot be read", errno);
  return static_cast<std::int64_t>(status.f_bavail) * static_cast<std::int64_t>(status.f_frsize);
}

}  // namespace longhaul
