#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace longhaul {

/// A file mapped read-only into memory. Pages are read when they are touched, so that a rank which
/// needs a slice of a tensor reads only that slice from disk.
class MappedFile {
 public:
  /// Throws UserError when the file cannot be opened, read or mapped.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace longhaul
