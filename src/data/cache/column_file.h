#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "core/crc32c.h"

namespace longhaul {

/// Element types of a series, little-endian in the file.
enum class SeriesType : std::uint8_t { u8, i32, u32, i64, f32, f64 };

template <typename T>
constexpr SeriesType series_type() {
  if constexpr (std::is_same_v<T, std::int32_t>) {
    return SeriesType::i32;
  } else if constexpr (std::is_same_v<T, std::uint32_t>) {
    return SeriesType::u32;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return SeriesType::i64;
  } else if constexpr (std::is_same_v<T, float>) {
    return SeriesType::f32;
  } else if constexpr (std::is_same_v<T, double>) {
    return SeriesType::f64;
  } else {
    static_assert(std::is_same_v<T, char> || std::is_same_v<T, std::uint8_t>);
    return SeriesType::u8;
  }
}

/// Thrown when a file is not what it should be: absent, truncated, damaged, written by others.
class ColumnFileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Writes an HDF5 file of one-dimensional arrays ("series") whose lengths need not be known before:
/// chunked datasets, each with its CRC-32C in the attribute "crc32c". HDF5 1.10 and later open it.
/// Memory: one chunk a series. The bytes of the file depend only on the sequence of appends within
/// each series and the order in which chunks fill up, not on how appends were cut into calls.
///
/// Failures (a full disk, no permission) are UserErrors with the system's account. A file that was
/// not finished is left as it is; it must not be read.
class ColumnFileWriter {
 public:
  /// Creates `file` or overwrites it.
  explicit ColumnFileWriter(const std::filesystem::path& file);
  ~ColumnFileWriter();
  ColumnFileWriter(const ColumnFileWriter&) = delete;
  ColumnFileWriter& operator=(const ColumnFileWriter&) = delete;

  /// A new empty series; `path` may name groups: "samples/line". Returns its number.
  std::size_t add(const std::string& path, SeriesType type, std::int64_t chunk_elements);

  template <typename T>
  void append(std::size_t series, const T* values, std::size_t count) {
    append_bytes(series, series_type<T>(), values, count);
  }
  template <typename T>
  void append(std::size_t series, T value) {
    append(series, &value, 1);
  }

  /// Attributes of the root group.
  void set_attribute(const std::string& name, const std::string& value);
  void set_attribute(const std::string& name, std::int64_t value);

  /// Writes what is left, closes the file and waits until it is on disk.
  void finish();

 private:
  struct Impl;
  void append_bytes(std::size_t series, SeriesType type, const void* values, std::size_t count);

  std::unique_ptr<Impl> impl_;
};

/// Reads such a file. All failures are ColumnFileErrors. Reading is thread-safe (HDF5 is built
/// thread-safe).
class ColumnFile {
 public:
  explicit ColumnFile(const std::filesystem::path& file);
  ~ColumnFile();
  ColumnFile(const ColumnFile&) = delete;
  ColumnFile& operator=(const ColumnFile&) = delete;

  /// Opens a series, which must have elements of type T. Returns its number.
  template <typename T>
  std::size_t open(const std::string& path) {
    return open_series(path, series_type<T>());
  }
  /// In elements.
  [[nodiscard]] std::int64_t size(std::size_t series) const;
  /// Elements begin .. begin + count - 1 -> out [count], overwritten.
  template <typename T>
  void read(std::size_t series, std::int64_t begin, std::int64_t count, T* out) const {
    read_elements(series, series_type<T>(), begin, count, out);
  }
  /// The whole series, its checksum compared.
  template <typename T>
  [[nodiscard]] std::vector<T> read_all(std::size_t series) const {
    std::vector<T> values(static_cast<std::size_t>(size(series)));
    read(series, 0, size(series), values.data());
    Crc32c checksum;
    checksum.update(values.data(), values.size() * sizeof(T));
    compare_checksum(series, checksum.value());
    return values;
  }
  /// Reads the whole series piece by piece and compares its checksum.
  void verify(std::size_t series) const;

  [[nodiscard]] std::string text_attribute(const std::string& name) const;
  [[nodiscard]] std::int64_t integer_attribute(const std::string& name) const;

 private:
  struct Impl;
  std::size_t open_series(const std::string& path, SeriesType type);
  void read_elements(std::size_t series, SeriesType type, std::int64_t begin, std::int64_t count,
                     void* out) const;
  void compare_checksum(std::size_t series, std::uint32_t checksum) const;

  std::unique_ptr<Impl> impl_;
};

}  // namespace longhaul
