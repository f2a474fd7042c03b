#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace longhaul {

/// A data file that is open for reading. Throws UserError when it cannot be opened.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Appends `bytes` bytes from `offset` on. Throws UserError when reading fails or the file has
  /// become shorter.
  void read(std::int64_t offset, std::int64_t bytes, std::string& text) const;

 private:
  std::filesystem::path path_;
  int fd_;
};

}  // namespace longhaul
