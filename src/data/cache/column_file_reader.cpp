#include <algorithm>

#include "core/error.h"
#include "data/cache/column_hdf5.h"

namespace longhaul {

struct ColumnFile::Impl {
  struct Series {
    std::string path;
    SeriesType type;
    Hdf5Id dataset;
    std::int64_t size;
  };

  std::string path;
  std::int64_t file_bytes = 0;
  Hdf5Id file;
  std::vector<Series> series;

  template <typename T>
  T check(T result, const std::string& what) const {
    if (result < 0) {
      throw ColumnFileError(fmt::format("{}: {}: {}", path, what, hdf5_error_text()));
    }
    return result;
  }

  [[nodiscard]] std::int64_t read_integer(hid_t object, const std::string& name) const {
    const std::string what = fmt::format("attribute '{}' cannot be read", name);
    const Hdf5Id attribute(check(H5Aopen(object, name.c_str(), H5P_DEFAULT), what), H5Aclose);
    const Hdf5Id type(check(H5Aget_type(attribute.get()), what), H5Tclose);
    const Hdf5Id space(check(H5Aget_space(attribute.get()), what), H5Sclose);
    if (H5Tequal(type.get(), H5T_STD_I64LE) <= 0 ||
        H5Sget_simple_extent_npoints(space.get()) != 1) {
      throw ColumnFileError(fmt::format("{}: attribute '{}' is not an integer", path, name));
    }
    std::int64_t value = 0;
    check(H5Aread(attribute.get(), H5T_STD_I64LE, &value), what);
    return value;
  }
};

ColumnFile::ColumnFile(const std::filesystem::path& file) : impl_(std::make_unique<Impl>()) {
  silence_hdf5_errors();
  impl_->path = file.string();
  const Hdf5Id access = make_file_access();
  impl_->file =
      Hdf5Id(impl_->check(H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.get()), "cannot be opened"),
             H5Fclose);
  impl_->file_bytes = static_cast<std::int64_t>(std::filesystem::file_size(file));
}

ColumnFile::~ColumnFile() = default;

std::size_t ColumnFile::open_series(const std::string& path, SeriesType type) {
  const std::string what = fmt::format("'{}' cannot be opened", path);
  // Without a chunk cache only what is asked for is read, straight from the file.
  const Hdf5Id access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  H5Pset_chunk_cache(access.get(), 0, 0, H5D_CHUNK_CACHE_W0_DEFAULT);
  Impl::Series opened;
  opened.path = path;
  opened.type = type;
  opened.dataset =
      Hdf5Id(impl_->check(H5Dopen2(impl_->file.get(), path.c_str(), access.get()), what), H5Dclose);
  const Hdf5Id found(impl_->check(H5Dget_type(opened.dataset.get()), what), H5Tclose);
  const Hdf5Id space(impl_->check(H5Dget_space(opened.dataset.get()), what), H5Sclose);
  if (H5Tequal(found.get(), series::type_id(type)) <= 0 ||
      H5Sget_simple_extent_ndims(space.get()) != 1) {
    throw ColumnFileError(fmt::format("{}: '{}' has another type or shape", impl_->path, path));
  }
  opened.size = impl_->check(H5Sget_simple_extent_npoints(space.get()), what);
  // A damaged length must not make us ask for memory or time without end.
  if (opened.size > impl_->file_bytes / static_cast<std::int64_t>(series::element_size(type))) {
    throw ColumnFileError(fmt::format("{}: '{}' claims {} elements, more than the file holds",
                                      impl_->path, path, opened.size));
  }
  impl_->series.push_back(std::move(opened));
  return impl_->series.size() - 1;
}

std::int64_t ColumnFile::size(std::size_t series) const { return impl_->series.at(series).size; }

void ColumnFile::read_elements(std::size_t series, SeriesType type, std::int64_t begin,
                               std::int64_t count, void* out) const {
  const Impl::Series& source = impl_->series.at(series);
  LONGHAUL_CHECK(source.type == type, "series {} has another element type", source.path);
  LONGHAUL_CHECK(begin >= 0 && count >= 0 && begin + count <= source.size,
                 "elements {}..{} of {} in {}", begin, begin + count, source.size, source.path);
  if (count == 0) return;
  silence_hdf5_errors();  // this thread may be a new one
  const std::string what = fmt::format("'{}' cannot be read", source.path);
  const auto first = static_cast<hsize_t>(begin);
  const auto length = static_cast<hsize_t>(count);
  const Hdf5Id space(impl_->check(H5Dget_space(source.dataset.get()), what), H5Sclose);
  impl_->check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &first, nullptr, &length, nullptr),
               what);
  const Hdf5Id memory(impl_->check(H5Screate_simple(1, &length, nullptr), what), H5Sclose);
  impl_->check(H5Dread(source.dataset.get(), series::type_id(type), memory.get(), space.get(),
                       H5P_DEFAULT, out),
               what);
}

void ColumnFile::verify(std::size_t series) const {
  constexpr std::int64_t kPiece = std::int64_t{1} << 20;
  const Impl::Series& source = impl_->series.at(series);
  const std::size_t element = series::element_size(source.type);
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::min(kPiece, source.size)) * element);
  Crc32c checksum;
  for (std::int64_t begin = 0; begin < source.size; begin += kPiece) {
    const std::int64_t count = std::min(kPiece, source.size - begin);
    read_elements(series, source.type, begin, count, bytes.data());
    checksum.update(bytes.data(), static_cast<std::size_t>(count) * element);
  }
  compare_checksum(series, checksum.value());
}

void ColumnFile::compare_checksum(std::size_t series, std::uint32_t checksum) const {
  const Impl::Series& source = impl_->series.at(series);
  if (impl_->read_integer(source.dataset.get(), series::kChecksumName) != checksum) {
    throw ColumnFileError(
        fmt::format("{}: '{}' is damaged: its checksum does not match", impl_->path, source.path));
  }
}

std::string ColumnFile::text_attribute(const std::string& name) const {
  const std::string what = fmt::format("attribute '{}' cannot be read", name);
  const Hdf5Id attribute(impl_->check(H5Aopen(impl_->file.get(), name.c_str(), H5P_DEFAULT), what),
                         H5Aclose);
  const Hdf5Id type(impl_->check(H5Aget_type(attribute.get()), what), H5Tclose);
  const Hdf5Id space(impl_->check(H5Aget_space(attribute.get()), what), H5Sclose);
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0 ||
      H5Sget_simple_extent_npoints(space.get()) != 1) {
    throw ColumnFileError(fmt::format("{}: attribute '{}' is not a text", impl_->path, name));
  }
  std::string text(H5Tget_size(type.get()), '\0');
  impl_->check(H5Aread(attribute.get(), type.get(), text.data()), what);
  return trim_text(std::move(text));
}

std::int64_t ColumnFile::integer_attribute(const std::string& name) const {
  return impl_->read_integer(impl_->file.get(), name);
}

}  // namespace longhaul
