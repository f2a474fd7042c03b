#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint_hdf5.h"

namespace longhaul {

enum class ColumnKind : std::uint8_t { integer, crc32, text };

struct Column {
  std::string name;
  ColumnKind kind = ColumnKind::integer;  // int64, uint32 shown as a checksum, UTF-8 string
  std::size_t text_length = 0;            // bytes, for text only: padded with zeros
};

/// A table of a checkpoint's bookkeeping: a one-dimensional HDF5 dataset of a packed compound type,
/// which h5dump and h5py (as a structured array) show with its column names.
class Hdf5Table {
 public:
  Hdf5Table(std::vector<Column> columns, std::size_t rows);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  void set(std::size_t row, std::size_t column, std::int64_t value);
  void set(std::size_t row, std::size_t column, std::string_view text);
  [[nodiscard]] std::int64_t integer(std::size_t row, std::size_t column) const;
  [[nodiscard]] std::string text(std::size_t row, std::size_t column) const;

  /// Creates the dataset `path` in an open file. Throws InternalError.
  void write(hid_t file_id, const char* path, const std::filesystem::path& file) const;
  /// Reads the dataset `path`, which must have these columns (text of any length, and further
  /// columns, which are ignored). Throws UserError when it has not.
  static Hdf5Table read(hid_t file_id, const char* path, std::vector<Column> columns,
                        const std::filesystem::path& file);

 private:
  [[nodiscard]] const char* at(std::size_t row, std::size_t column) const;
  [[nodiscard]] char* at(std::size_t row, std::size_t column) {
    return const_cast<char*>(std::as_const(*this).at(row, column));
  }

  std::vector<Column> columns_;
  std::vector<std::size_t> offsets_;  // of each column in a row
  std::size_t row_bytes_ = 0;
  std::size_t rows_ = 0;
  std::string bytes_;
};

}  // namespace longhaul
