#include "checkpoint/index_writer.h"

#include <chrono>
#include <thread>

#include "checkpoint/file_crc.h"
#include "checkpoint/hdf5_table.h"
#include "checkpoint/naming.h"
#include "checkpoint/seal.h"
#include "checkpoint/shard_table.h"
#include "checkpoint/slab_tiling.h"
#include "core/clock.h"
#include "core/file.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

/// Network file systems may take a moment to show what another host has written.
void wait_for_shard(const fs::path& file, std::int64_t bytes) {
  constexpr auto kPatience = std::chrono::seconds(10);
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (!error && static_cast<std::int64_t>(size) == bytes) return;
    if (std::chrono::steady_clock::now() > give_up) {
      user_error(
          "{}: was written by another host but is {} here; the save directory must be on a "
          "file system that all hosts share",
          file.string(), error ? "missing" : fmt::format("{} bytes of {}", size, bytes));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

/// A dataspace of this size with the slice selected.
Hdf5Id make_selection(const std::vector<std::int64_t>& size, const TensorSlice& slice,
                      const fs::path& file) {
  const std::vector<std::int64_t> offset = offset_of(slice, size.size());
  const std::vector<std::int64_t> extent = extent_of(slice, size.size());
  const std::vector<hsize_t> dims(size.begin(), size.end());
  const std::vector<hsize_t> start(offset.begin(), offset.end());
  const std::vector<hsize_t> count(extent.begin(), extent.end());
  Hdf5Id space(check_hdf5(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr),
                          file, "cannot describe a tensor"),
               H5Sclose);
  check_hdf5(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(),
                                 nullptr),
             file, "cannot describe a slab");
  return space;
}

void write_virtual_dataset(hid_t file_id, TensorTypes& types, const TensorTiling& tensor,
                           const std::vector<ShardRecord>& shards, const fs::path& file) {
  const hid_t type = types.get(tensor.dtype);
  const Hdf5Id creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const std::string fill = impossible_value(tensor.dtype);
  check_hdf5(H5Pset_fill_value(creation.get(), type, fill.data()), file,
             "cannot set the fill value");
  H5Pset_obj_track_times(creation.get(), false);
  for (const SlabPlace& place : tensor.slabs) {
    const ShardRecord& shard = shards[place.shard];
    const SlabRecord& slab = shard.slabs[place.slab];
    const std::vector<std::int64_t> extent = extent_of(slab.slice, slab.shape.size());
    const Hdf5Id whole = make_selection(slab.shape, slab.slice, file);
    const Hdf5Id source = make_selection(extent, whole_tensor(extent), file);
    check_hdf5(H5Pset_virtual(creation.get(), whole.get(), shard.file_name.c_str(),
                              slab_dataset_path(slab).c_str(), source.get()),
               file, "cannot map " + tensor.path);
  }
  const Hdf5Id space = make_selection(tensor.shape, whole_tensor(tensor.shape), file);
  H5Sselect_all(space.get());
  const Hdf5Id links = make_link_properties();
  const Hdf5Id dataset(check_hdf5(H5Dcreate2(file_id, tensor.path.c_str(), type, space.get(),
                                             links.get(), creation.get(), H5P_DEFAULT),
                                  file, "cannot create dataset " + tensor.path),
                       H5Dclose);
}

SlabTables tables_of(const std::vector<TensorTiling>& tensors,
                     const std::vector<ShardRecord>& shards) {
  SlabTables tables;
  for (const TensorTiling& tensor : tensors) {
    const auto number = static_cast<std::int64_t>(tables.tensors.size());
    tables.tensors.push_back({tensor.path, tensor.dtype, tensor.shape});
    for (const SlabPlace& place : tensor.slabs) {
      const SlabRecord& slab = shards[place.shard].slabs[place.slab];
      tables.slabs.push_back(
          {number, static_cast<std::int64_t>(place.shard), slab.slice, slab.file_offset, slab.crc});
    }
  }
  return tables;
}

/// An upper bound of the index's size, to set aside.
std::int64_t index_bytes_bound(const std::string& metadata, const SlabTables& tables) {
  std::size_t path_bytes = 0;
  for (const CheckpointTensor& tensor : tables.tensors) {
    path_bytes = std::max(path_bytes, tensor.path.size());
  }
  const std::size_t bytes = (std::size_t{1} << 17) + metadata.size() +
                            tables.tensors.size() * (8192 + path_bytes) +
                            tables.slabs.size() * (512 + path_bytes);
  return static_cast<std::int64_t>(bytes);
}

}  // namespace

void write_index(const fs::path& directory, const CheckpointIdentity& identity,
                 const std::string& metadata, const std::vector<ShardRecord>& shards) {
  const std::vector<TensorTiling> tensors = collect_tensors(shards);
  for (const ShardRecord& shard : shards) wait_for_shard(directory / shard.file_name, shard.bytes);
  const SlabTables tables = tables_of(tensors, shards);
  const std::string written = utc_now(TimeDigits::nanoseconds);

  const fs::path file = directory / kIndexFileName;
  create_file(file);
  Hdf5Id id = create_hdf5_file(file);
  void* handle = nullptr;
  check_hdf5(H5Fget_vfd_handle(id.get(), H5P_DEFAULT, &handle), file, "no file descriptor");
  reserve_space(*static_cast<int*>(handle), index_bytes_bound(metadata, tables), file);
  {
    TensorTypes types(id.get(), file);
    write_identity(id.get(), kIndexFormat, identity, file);
    write_attribute(id.get(), kWrittenAttribute, written, file);
    write_text_dataset(id.get(), kMetadataPath, metadata, file);
    tables.write(id.get(), file);
    write_shard_table(id.get(), shards, file);
    for (const TensorTiling& tensor : tensors) {
      write_virtual_dataset(id.get(), types, tensor, shards, file);
    }
  }
  check_hdf5(H5Fflush(id.get(), H5F_SCOPE_GLOBAL), file, "cannot be flushed");
  hsize_t size = 0;
  check_hdf5(H5Fget_filesize(id.get(), &size), file, "its size cannot be read");
  if (!id.close()) {
    throw InternalError(fmt::format("{}: cannot be closed: {}", file.string(), hdf5_error_text()));
  }

  const FileDescriptor fd = open_to_write(file);
  const auto bytes = static_cast<std::int64_t>(size);
  set_file_size(fd, bytes, file);
  sync_file(fd, file);
  Crc32c crc;
  update_from_file(crc, fd, 0, bytes, file);
  write_seal(directory, {identity.id, identity.step, written, bytes, crc.value()});
  sync_directory(directory);
}

}  // namespace longhaul
