#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace longhaul {

// The few system calls that the log files need, with errors that name the file. All throw
// UserError.

enum class OpenMode : std::uint8_t { existing_or_new, must_be_new, truncate };

/// Opens a file for appending (close-on-exec) and returns its descriptor.
int open_for_append(const std::filesystem::path& path, OpenMode mode);
/// Writes all bytes; as one write(2) unless the system takes fewer.
void write_all(int file, std::string_view bytes, const std::filesystem::path& path);
/// Waits until the file's data is on disk.
void sync_file(int file, const std::filesystem::path& path);
/// Replaces `path` by `content` atomically and durably: <path>.tmp, fsync, rename, fsync the
/// folder.
void replace_file(const std::filesystem::path& path, std::string_view content);

}  // namespace longhaul
