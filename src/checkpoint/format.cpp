#include "checkpoint/format.h"

#include <algorithm>

#include "checkpoint/hdf5_table.h"

namespace longhaul {
namespace {

using Kind = ColumnKind;

std::size_t longest_path(const std::vector<CheckpointTensor>& tensors) {
  std::size_t longest = 1;
  for (const CheckpointTensor& tensor : tensors) longest = std::max(longest, tensor.path.size());
  return longest;
}

std::vector<Column> tensor_columns(std::size_t path_length) {
  return {{"path", Kind::text, path_length},
          {"dtype", Kind::text, 8},
          {"dimensions"},
          {"size0"},
          {"size1"}};
}

std::vector<Column> slab_columns() {
  return {{"tensor"},  {"shard"},   {"offset0"},     {"offset1"},
          {"extent0"}, {"extent1"}, {"file_offset"}, {"crc32c", Kind::crc32}};
}

}  // namespace

NewerFormatError::NewerFormatError(const std::filesystem::path& file, std::int64_t version)
    : UserError(fmt::format("{}: format version {} is newer than this program, which reads up to "
                            "{}; use the version of the program that wrote it",
                            file.string(), version, kFormatVersion)) {}

void SlabTables::write(hid_t file_id, const std::filesystem::path& file) const {
  Hdf5Table tensor_table(tensor_columns(longest_path(tensors)), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const CheckpointTensor& tensor = tensors[i];
    tensor_table.set(i, 0, tensor.path);
    tensor_table.set(i, 1, name_of(tensor.dtype));
    tensor_table.set(i, 2, static_cast<std::int64_t>(tensor.shape.size()));
    tensor_table.set(i, 3, tensor.shape[0]);
    tensor_table.set(i, 4, tensor.shape.size() == 2 ? tensor.shape[1] : 1);
  }
  tensor_table.write(file_id, kTensorsPath, file);

  Hdf5Table slab_table(slab_columns(), slabs.size());
  for (std::size_t i = 0; i < slabs.size(); ++i) {
    const SlabRow& slab = slabs[i];
    slab_table.set(i, 0, slab.tensor);
    slab_table.set(i, 1, slab.shard);
    slab_table.set(i, 2, slab.slice.row);
    slab_table.set(i, 3, slab.slice.col);
    slab_table.set(i, 4, slab.slice.rows);
    slab_table.set(i, 5, slab.slice.cols);
    slab_table.set(i, 6, slab.file_offset);
    slab_table.set(i, 7, std::int64_t{slab.crc});
  }
  slab_table.write(file_id, kSlabsPath, file);
}

SlabTables SlabTables::read(hid_t file_id, const std::filesystem::path& file) {
  SlabTables tables;
  const Hdf5Table tensor_table = Hdf5Table::read(file_id, kTensorsPath, tensor_columns(0), file);
  for (std::size_t i = 0; i < tensor_table.rows(); ++i) {
    CheckpointTensor& tensor = tables.tensors.emplace_back();
    tensor.path = tensor_table.text(i, 0);
    tensor.dtype = dtype_named(tensor_table.text(i, 1), file.string());
    const std::int64_t dimensions = tensor_table.integer(i, 2);
    if (dimensions != 1 && dimensions != 2) {
      user_error("{}: tensor {} has {} dimensions; this program reads 1 and 2", file.string(),
                 tensor.path, dimensions);
    }
    tensor.shape.push_back(tensor_table.integer(i, 3));
    if (dimensions == 2) tensor.shape.push_back(tensor_table.integer(i, 4));
  }

  const Hdf5Table slab_table = Hdf5Table::read(file_id, kSlabsPath, slab_columns(), file);
  tables.slabs.resize(slab_table.rows());
  for (std::size_t i = 0; i < slab_table.rows(); ++i) {
    SlabRow& slab = tables.slabs[i];
    slab.tensor = slab_table.integer(i, 0);
    slab.shard = slab_table.integer(i, 1);
    if (slab.tensor < 0 || slab.tensor >= static_cast<std::int64_t>(tables.tensors.size())) {
      user_error("{}: row {} of {} names tensor {} of {}; the file was not written by this program",
                 file.string(), i, kSlabsPath, slab.tensor, tables.tensors.size());
    }
    slab.slice = {slab_table.integer(i, 2), slab_table.integer(i, 3), slab_table.integer(i, 4),
                  slab_table.integer(i, 5)};
    slab.file_offset = slab_table.integer(i, 6);
    slab.crc = static_cast<std::uint32_t>(slab_table.integer(i, 7));
  }
  return tables;
}

void write_identity(hid_t file_id, const char* format, const CheckpointIdentity& identity,
                    const std::filesystem::path& file) {
  write_attribute(file_id, kFormatAttribute, std::string(format), file);
  write_attribute(file_id, kVersionAttribute, kFormatVersion, file);
  write_attribute(file_id, kIdAttribute, identity.id, file);
  write_attribute(file_id, kStepAttribute, identity.step, file);
  write_attribute(file_id, kShardsAttribute, identity.shards, file);
}

CheckpointIdentity read_identity(hid_t file_id, const char* format,
                                 const std::filesystem::path& file) {
  const std::string found = read_string_attribute(file_id, kFormatAttribute, file);
  if (found != format) {
    user_error("{}: is a '{}', not a '{}'; give the folder of a checkpoint", file.string(), found,
               format);
  }
  const std::int64_t version = read_integer_attribute(file_id, kVersionAttribute, file);
  if (version > kFormatVersion) throw NewerFormatError(file, version);
  return {read_string_attribute(file_id, kIdAttribute, file),
          read_integer_attribute(file_id, kStepAttribute, file),
          read_integer_attribute(file_id, kShardsAttribute, file)};
}

hid_t TensorTypes::get(DType dtype) {
  for (const auto& [known, type] : types_) {
    if (known == dtype) return type.get();
  }
  Hdf5Id type = make_hdf5_type(dtype);
  if (dtype == DType::bf16) {
    const Hdf5Id links = make_link_properties();
    check_hdf5(
        H5Tcommit2(file_id_, kBfloat16Path, type.get(), links.get(), H5P_DEFAULT, H5P_DEFAULT),
        file_, "cannot commit the type bfloat16");
  }
  return types_.emplace_back(dtype, std::move(type)).second.get();
}

}  // namespace longhaul
