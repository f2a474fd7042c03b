#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "data/cache/column_hdf5.h"

namespace longhaul {

struct ColumnFileWriter::Impl {
  struct Series {
    std::string path;
    SeriesType type;
    std::size_t chunk_elements;
    Hdf5Id dataset;
    std::vector<std::byte> pending;  // less than a chunk
    std::size_t written = 0;         // elements in the file
    Crc32c checksum;
  };

  std::filesystem::path path;
  Hdf5Id file;
  std::vector<Series> series;

  /// For the result of an HDF5 call that only fails when the system does.
  template <typename T>
  T check(T result) const {
    if (result < 0) {
      user_error(
          "{}: writing failed: {}; see that the disk has room and the folder can be written, or "
          "name another one with --token_cache_dir",
          path.string(), hdf5_error_text());
    }
    return result;
  }

  /// Writes the first `count` elements of what is pending.
  void write(Series& target, std::size_t count) const {
    if (count == 0) return;
    const std::size_t bytes = count * series::element_size(target.type);
    target.checksum.update(target.pending.data(), bytes);
    const hsize_t extent = target.written + count;
    const hsize_t begin = target.written;
    const hsize_t length = count;
    check(H5Dset_extent(target.dataset.get(), &extent));
    const Hdf5Id space(check(H5Dget_space(target.dataset.get())), H5Sclose);
    check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &begin, nullptr, &length, nullptr));
    const Hdf5Id memory(check(H5Screate_simple(1, &length, nullptr)), H5Sclose);
    check(H5Dwrite(target.dataset.get(), series::type_id(target.type), memory.get(), space.get(),
                   H5P_DEFAULT, target.pending.data()));
    target.pending.erase(target.pending.begin(),
                         target.pending.begin() + static_cast<std::ptrdiff_t>(bytes));
    target.written += count;
  }

  /// The groups that a path goes through, without the times that HDF5 would store by itself.
  void make_groups(const std::string& name) const {
    const Hdf5Id creation(H5Pcreate(H5P_GROUP_CREATE), H5Pclose);
    H5Pset_obj_track_times(creation.get(), false);
    for (std::size_t at = name.find('/'); at != std::string::npos; at = name.find('/', at + 1)) {
      const std::string group = name.substr(0, at);
      if (check(H5Lexists(file.get(), group.c_str(), H5P_DEFAULT)) > 0) continue;
      const Hdf5Id made(
          check(H5Gcreate2(file.get(), group.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT)),
          H5Gclose);
    }
  }

  void write_integer(hid_t object, const std::string& name, std::int64_t value) const {
    const Hdf5Id space(check(H5Screate(H5S_SCALAR)), H5Sclose);
    const Hdf5Id attribute(check(H5Acreate2(object, name.c_str(), H5T_STD_I64LE, space.get(),
                                            H5P_DEFAULT, H5P_DEFAULT)),
                           H5Aclose);
    check(H5Awrite(attribute.get(), H5T_STD_I64LE, &value));
  }
};

ColumnFileWriter::ColumnFileWriter(const std::filesystem::path& file)
    : impl_(std::make_unique<Impl>()) {
  silence_hdf5_errors();
  impl_->path = file;
  const Hdf5Id access = make_file_access();
  // The 1.10 format has checksums in all of HDF5's own structures, which earlier ones have not: a
  // damaged one can crash the library.
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110);
  const Hdf5Id creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  H5Pset_obj_track_times(creation.get(), false);  // the same content gives the same bytes
  impl_->file = Hdf5Id(
      impl_->check(H5Fcreate(file.c_str(), H5F_ACC_TRUNC, creation.get(), access.get())), H5Fclose);
}

ColumnFileWriter::~ColumnFileWriter() = default;

std::size_t ColumnFileWriter::add(const std::string& path, SeriesType type,
                                  std::int64_t chunk_elements) {
  LONGHAUL_CHECK(chunk_elements >= 1, "chunks of {} elements", chunk_elements);
  impl_->make_groups(path);
  const Hdf5Id creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const auto chunk = static_cast<hsize_t>(chunk_elements);
  H5Pset_chunk(creation.get(), 1, &chunk);
  H5Pset_obj_track_times(creation.get(), false);
  const std::int64_t zero = 0;  // the unused end of the last chunk is in the file too
  H5Pset_fill_value(creation.get(), series::type_id(type), &zero);
  H5Pset_fill_time(creation.get(), H5D_FILL_TIME_ALLOC);
  const hsize_t none = 0;
  const hsize_t unlimited = H5S_UNLIMITED;
  const Hdf5Id space(impl_->check(H5Screate_simple(1, &none, &unlimited)), H5Sclose);
  Impl::Series added;
  added.path = path;
  added.type = type;
  added.chunk_elements = static_cast<std::size_t>(chunk_elements);
  added.dataset =
      Hdf5Id(impl_->check(H5Dcreate2(impl_->file.get(), path.c_str(), series::type_id(type),
                                     space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT)),
             H5Dclose);
  added.pending.reserve(added.chunk_elements * series::element_size(type));
  impl_->series.push_back(std::move(added));
  return impl_->series.size() - 1;
}

void ColumnFileWriter::append_bytes(std::size_t series, SeriesType type, const void* values,
                                    std::size_t count) {
  Impl::Series& target = impl_->series.at(series);
  LONGHAUL_CHECK(target.type == type, "series {} has another element type", target.path);
  const std::size_t element = series::element_size(type);
  const auto* from = static_cast<const std::byte*>(values);
  // Whole chunks only, so that the layout of the file does not depend on how appends were cut.
  while (count > 0) {
    const std::size_t room = target.chunk_elements - target.pending.size() / element;
    const std::size_t taken = std::min(room, count);
    target.pending.insert(target.pending.end(), from, from + taken * element);
    from += taken * element;
    count -= taken;
    if (taken == room) impl_->write(target, target.chunk_elements);
  }
}

void ColumnFileWriter::set_attribute(const std::string& name, const std::string& value) {
  const Hdf5Id type = make_text_type(value.size());
  const Hdf5Id space(impl_->check(H5Screate(H5S_SCALAR)), H5Sclose);
  const Hdf5Id attribute(impl_->check(H5Acreate2(impl_->file.get(), name.c_str(), type.get(),
                                                 space.get(), H5P_DEFAULT, H5P_DEFAULT)),
                         H5Aclose);
  impl_->check(H5Awrite(attribute.get(), type.get(), pad_text(value).data()));
}

void ColumnFileWriter::set_attribute(const std::string& name, std::int64_t value) {
  impl_->write_integer(impl_->file.get(), name, value);
}

void ColumnFileWriter::finish() {
  for (Impl::Series& target : impl_->series) {
    impl_->write(target, target.pending.size() / series::element_size(target.type));
    impl_->write_integer(target.dataset.get(), series::kChecksumName, target.checksum.value());
    if (!target.dataset.close()) impl_->check(-1);
  }
  impl_->check(H5Fflush(impl_->file.get(), H5F_SCOPE_GLOBAL));
  if (!impl_->file.close()) impl_->check(-1);
  sync_file(open_to_write(impl_->path), impl_->path);
}

}  // namespace longhaul
