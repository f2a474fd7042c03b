#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace longhaul {

/// A POSIX file descriptor. Move-only.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// System calls with errors that say which file, what was tried, the system's reason and what to do.
// All throw UserError.

/// Makes an empty file, or empties one. Opened and closed at once: HDF5 opens it itself, but cannot
/// say as clearly why a file cannot be made.
void create_file(const std::filesystem::path& file);
enum class AppendTo : std::uint8_t { existing_or_new, new_file };
/// Opens for appending; new_file: it is an error that the file is there.
FileDescriptor open_to_append(const std::filesystem::path& file, AppendTo what);
/// Open an existing file.
FileDescriptor open_to_read(const std::filesystem::path& file);
FileDescriptor open_to_write(const std::filesystem::path& file);
std::int64_t file_size(const FileDescriptor& fd, const std::filesystem::path& file);

/// Sets `bytes` bytes of disk aside, so that a full disk is noticed before anything is written. On
/// file systems that cannot do this it does nothing, and the write fails instead.
void reserve_space(int fd, std::int64_t bytes, const std::filesystem::path& file);
void set_file_size(const FileDescriptor& fd, std::int64_t bytes, const std::filesystem::path& file);

/// Write or read exactly `bytes` bytes at `offset`; a file that ends before is an error.
void write_at(const FileDescriptor& fd, std::int64_t offset, const void* data, std::size_t bytes,
              const std::filesystem::path& file);
void read_at(const FileDescriptor& fd, std::int64_t offset, void* data, std::size_t bytes,
             const std::filesystem::path& file);
/// Writes at the end of a file opened for appending; as one write(2) unless the system takes fewer,
/// so that a killed program leaves whole lines behind.
void append_text(const FileDescriptor& fd, std::string_view text,
                 const std::filesystem::path& file);

/// Wait until the file, or the names in the folder (empty: the current one), are on disk.
void sync_file(const FileDescriptor& fd, const std::filesystem::path& file);
void sync_directory(const std::filesystem::path& directory);

/// A small text file, written whole and synced.
void write_text_file(const std::filesystem::path& file, std::string_view text);
/// The same, atomically: <file>.tmp takes the place of `file`, and the folder is synced.
void replace_text_file(const std::filesystem::path& file, std::string_view text);
/// A whole file, whatever its bytes; also one that has no size, such as those of /proc.
std::string read_text_file(const std::filesystem::path& file);

void rename_path(const std::filesystem::path& from, const std::filesystem::path& to);
/// Removes a file or a whole folder; nothing there is fine.
void remove_path(const std::filesystem::path& path);

/// Bytes that this user can still write to the file system of an existing path.
std::int64_t free_bytes(const std::filesystem::path& path);

/// "what failed: No space left on device; what to do" for an errno value and a path.
std::string io_error_text(const std::filesystem::path& path, std::string_view what, int error);

}  // namespace longhaul
