#include "checkpoint/shard_writer.h"

#include <fmt/ranges.h>

#include <map>

#include "checkpoint/background_work.h"
#include "checkpoint/bulk_file.h"
#include "checkpoint/file_crc.h"
#include "checkpoint/naming.h"
#include "core/crc32c.h"
#include "core/file.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

/// Calls use(data, bytes) for the slab's bytes in row-major order, as long pieces as its memory
/// allows.
template <typename Use>
void for_each_run(const TensorSlab& slab, Use use) {
  const TensorSlice& slice = slab.slice;
  const auto element = static_cast<std::int64_t>(size_of(slab.dtype));
  const auto* data = static_cast<const std::byte*>(slab.data);
  if (slice.rows == 1 || slab.row_stride == slice.cols) {
    use(data, static_cast<std::size_t>(slice.size() * element));
    return;
  }
  for (std::int64_t row = 0; row < slice.rows; ++row) {
    use(data + row * slab.row_stride * element, static_cast<std::size_t>(slice.cols * element));
  }
}

void check_slab(const TensorSlab& slab) {
  const TensorSlice& slice = slab.slice;
  LONGHAUL_CHECK(!slab.path.empty(), "a slab without a path");
  if (slice.size() == 0) return;
  LONGHAUL_CHECK(lies_within(slice, slab.shape), "slab of {} [{}] reaches outside the tensor: {}",
                 slab.path, fmt::join(slab.shape, ","), describe(slice, slab.shape.size()));
  LONGHAUL_CHECK(slab.data != nullptr, "slab of {} has no data", slab.path);
  LONGHAUL_CHECK(slice.rows == 1 || slab.row_stride >= slice.cols,
                 "slab of {}: rows of {} elements are {} apart", slab.path, slice.cols,
                 slab.row_stride);
}

/// What will be written: the slabs with elements, and their places once HDF5 has chosen them.
struct Plan {
  std::vector<const TensorSlab*> sources;
  ShardRecord record;  // slabs parallel to sources
};

Plan make_plan(const std::vector<TensorSlab>& slabs, int shard, const std::stop_token& stop) {
  Plan plan;
  plan.record.file_name = shard_file_name(shard);
  for (const TensorSlab& slab : slabs) {
    throw_if_stopped(stop);
    check_slab(slab);
    if (slab.slice.size() == 0) continue;
    Crc32c crc;
    for_each_run(slab, [&](const std::byte* data, std::size_t bytes) { crc.update(data, bytes); });
    plan.sources.push_back(&slab);
    plan.record.slabs.push_back({slab.path, slab.dtype, slab.shape, slab.slice, 0, crc.value()});
  }
  return plan;
}

SlabTables tables_of(const ShardRecord& record, int shard) {
  SlabTables tables;
  std::map<std::string_view, std::int64_t> numbers;
  for (const SlabRecord& slab : record.slabs) {
    const auto [found, is_new] =
        numbers.try_emplace(slab.path, static_cast<std::int64_t>(tables.tensors.size()));
    if (is_new) tables.tensors.push_back({slab.path, slab.dtype, slab.shape});
    tables.slabs.push_back({found->second, shard, slab.slice, slab.file_offset, slab.crc});
  }
  return tables;
}

/// Creates the slab's dataset and returns where HDF5 put its bytes.
std::int64_t create_dataset(hid_t file_id, TensorTypes& types, const SlabRecord& slab,
                            const fs::path& file) {
  const std::string path = slab_dataset_path(slab);
  const std::vector<std::int64_t> size = extent_of(slab.slice, slab.shape.size());
  const std::vector<hsize_t> extent(size.begin(), size.end());
  const Hdf5Id space(
      check_hdf5(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), file,
                 path),
      H5Sclose);
  const Hdf5Id creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_layout(creation.get(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(creation.get(), false);
  const Hdf5Id links = make_link_properties();
  const Hdf5Id dataset(check_hdf5(H5Dcreate2(file_id, path.c_str(), types.get(slab.dtype),
                                             space.get(), links.get(), creation.get(), H5P_DEFAULT),
                                  file, "cannot create dataset " + path),
                       H5Dclose);
  const haddr_t offset = H5Dget_offset(dataset.get());
  LONGHAUL_CHECK(offset != HADDR_UNDEF, "{}: {} has no place in the file", file.string(), path);
  return static_cast<std::int64_t>(offset);
}

/// Everything but the data. Sets the records' file offsets and the file's size.
void write_structure(const fs::path& file, const CheckpointIdentity& identity, int shard,
                     std::int64_t bytes_bound, ShardRecord& record) {
  Hdf5Id id = create_hdf5_file(file);
  void* handle = nullptr;
  check_hdf5(H5Fget_vfd_handle(id.get(), H5P_DEFAULT, &handle), file, "no file descriptor");
  reserve_space(*static_cast<int*>(handle), bytes_bound, file);
  {
    TensorTypes types(id.get(), file);
    write_identity(id.get(), kShardFormat, identity, file);
    write_attribute(id.get(), kShardAttribute, std::int64_t{shard}, file);
    for (SlabRecord& slab : record.slabs) {
      slab.file_offset = create_dataset(id.get(), types, slab, file);
    }
    tables_of(record, shard).write(id.get(), file);
  }
  check_hdf5(H5Fflush(id.get(), H5F_SCOPE_GLOBAL), file, "cannot be flushed");
  hsize_t size = 0;
  check_hdf5(H5Fget_filesize(id.get(), &size), file, "its size cannot be read");
  record.bytes = static_cast<std::int64_t>(size);
  if (!id.close()) {
    throw InternalError(fmt::format("{}: cannot be closed: {}", file.string(), hdf5_error_text()));
  }
}

}  // namespace

std::int64_t data_bytes(const std::vector<TensorSlab>& slabs) {
  std::int64_t bytes = 0;
  for (const TensorSlab& slab : slabs) {
    bytes += slab.slice.size() * static_cast<std::int64_t>(size_of(slab.dtype));
  }
  return bytes;
}

std::int64_t shard_bytes_bound(const std::vector<TensorSlab>& slabs) {
  // A dataset with its groups takes about 3 kB, a row of the tables less than 300 bytes.
  constexpr std::int64_t kPerFile = std::int64_t{1} << 17;
  constexpr std::int64_t kPerSlab = 6144;
  return data_bytes(slabs) + kPerFile + kPerSlab * static_cast<std::int64_t>(slabs.size());
}

ShardRecord write_shard(const fs::path& directory, const CheckpointIdentity& identity, int shard,
                        const std::vector<TensorSlab>& slabs, const std::stop_token& stop,
                        const std::function<void()>& beat) {
  Plan plan = make_plan(slabs, shard, stop);
  ShardRecord& record = plan.record;
  const fs::path file = directory / record.file_name;
  create_file(file);
  write_structure(file, identity, shard, shard_bytes_bound(slabs), record);

  BulkFile out(file, stop);
  set_file_size(out.descriptor(), record.bytes, file);  // gives back what was reserved too much
  std::vector<ByteRange> data;
  for (std::size_t i = 0; i < plan.sources.size(); ++i) {
    const SlabRecord& slab = record.slabs[i];
    out.seek(slab.file_offset);
    for_each_run(*plan.sources[i],
                 [&](const std::byte* bytes, std::size_t count) { out.append(bytes, count); });
    data.push_back({slab.file_offset, slab.bytes()});
    if (beat) beat();
  }
  out.sync();
  record.metadata_crc = crc_outside(out.descriptor(), record.bytes, std::move(data), file);
  return std::move(record);
}

}  // namespace longhaul
