#include "checkpoint/hdf5_table.h"

#include <algorithm>
#include <cstring>

namespace longhaul {
namespace {

std::size_t bytes_of(const Column& column) {
  switch (column.kind) {
    case ColumnKind::integer:
      return sizeof(std::int64_t);
    case ColumnKind::crc32:
      return sizeof(std::uint32_t);
    case ColumnKind::text:
      return std::max<std::size_t>(column.text_length, 1);
  }
  return 0;
}

Hdf5Id type_of(const Column& column) {
  switch (column.kind) {
    case ColumnKind::integer:
      return {H5Tcopy(H5T_STD_I64LE), H5Tclose};
    case ColumnKind::crc32:
      return {H5Tcopy(H5T_STD_U32LE), H5Tclose};
    case ColumnKind::text:
      break;
  }
  Hdf5Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), bytes_of(column));
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

bool is_of_kind(hid_t type, ColumnKind kind) {
  switch (kind) {
    case ColumnKind::integer:
      return H5Tequal(type, H5T_STD_I64LE) > 0;
    case ColumnKind::crc32:
      return H5Tequal(type, H5T_STD_U32LE) > 0;
    case ColumnKind::text:
      return H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
  }
  return false;
}

}  // namespace

Hdf5Table::Hdf5Table(std::vector<Column> columns, std::size_t rows)
    : columns_(std::move(columns)), rows_(rows) {
  for (const Column& column : columns_) {
    offsets_.push_back(row_bytes_);
    row_bytes_ += bytes_of(column);
  }
  bytes_.assign(row_bytes_ * rows_, '\0');
}

const char* Hdf5Table::at(std::size_t row, std::size_t column) const {
  LONGHAUL_CHECK(row < rows_ && column < columns_.size(), "row {}, column {}", row, column);
  return bytes_.data() + row * row_bytes_ + offsets_[column];
}

void Hdf5Table::set(std::size_t row, std::size_t column, std::int64_t value) {
  std::memcpy(at(row, column), &value, bytes_of(columns_[column]));  // little-endian: low bytes
}

void Hdf5Table::set(std::size_t row, std::size_t column, std::string_view text) {
  LONGHAUL_CHECK(text.size() <= columns_[column].text_length, "'{}' is too long", text);
  std::copy(text.begin(), text.end(), at(row, column));
}

std::int64_t Hdf5Table::integer(std::size_t row, std::size_t column) const {
  std::int64_t value = 0;
  std::memcpy(&value, at(row, column), bytes_of(columns_[column]));
  return value;
}

std::string Hdf5Table::text(std::size_t row, std::size_t column) const {
  const char* begin = at(row, column);
  const char* end = begin + columns_[column].text_length;
  return {begin, std::find(begin, end, '\0')};
}

void Hdf5Table::write(hid_t file_id, const char* path, const std::filesystem::path& file) const {
  const std::string what = fmt::format("cannot write {}", path);
  const Hdf5Id type(check_hdf5(H5Tcreate(H5T_COMPOUND, row_bytes_), file, what), H5Tclose);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    check_hdf5(
        H5Tinsert(type.get(), columns_[i].name.c_str(), offsets_[i], type_of(columns_[i]).get()),
        file, what);
  }
  const hsize_t count = rows_;
  const Hdf5Id space(H5Screate_simple(1, &count, nullptr), H5Sclose);
  const Hdf5Id links = make_link_properties();
  const Hdf5Id dataset(check_hdf5(H5Dcreate2(file_id, path, type.get(), space.get(), links.get(),
                                             H5P_DEFAULT, H5P_DEFAULT),
                                  file, what),
                       H5Dclose);
  if (rows_ == 0) return;
  check_hdf5(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes_.data()),
             file, what);
}

Hdf5Table Hdf5Table::read(hid_t file_id, const char* path, std::vector<Column> columns,
                          const std::filesystem::path& file) {
  const Hdf5Id dataset(H5Dopen2(file_id, path, H5P_DEFAULT), H5Dclose);
  if (!dataset.valid()) {
    user_error("{}: has no table {}; it is not a file of a checkpoint", file.string(), path);
  }
  const Hdf5Id space(H5Dget_space(dataset.get()), H5Sclose);
  const Hdf5Id type(H5Dget_type(dataset.get()), H5Tclose);
  if (H5Sget_simple_extent_ndims(space.get()) != 1 || H5Tget_class(type.get()) != H5T_COMPOUND) {
    user_error("{}: {} is not a table; the file was not written by this program", file.string(),
               path);
  }
  Hdf5Table table({}, 0);
  for (Column& column : columns) {
    const int index = H5Tget_member_index(type.get(), column.name.c_str());
    const Hdf5Id member(
        index < 0 ? H5I_INVALID_HID : H5Tget_member_type(type.get(), static_cast<unsigned>(index)),
        H5Tclose);
    if (!member.valid() || !is_of_kind(member.get(), column.kind)) {
      user_error(
          "{}: table {} has no column '{}' of the right type; the file was not written by "
          "this program",
          file.string(), path, column.name);
    }
    if (column.kind == ColumnKind::text) column.text_length = H5Tget_size(member.get());
    table.offsets_.push_back(H5Tget_member_offset(type.get(), static_cast<unsigned>(index)));
  }
  table.columns_ = std::move(columns);
  table.row_bytes_ = H5Tget_size(type.get());
  table.rows_ = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get()));
  table.bytes_.resize(table.rows_ * table.row_bytes_);
  if (table.rows_ > 0) {
    // In the file's own type: nothing is converted.
    check_hdf5(
        H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, table.bytes_.data()),
        file, fmt::format("cannot read {}", path));
  }
  return table;
}

}  // namespace longhaul
