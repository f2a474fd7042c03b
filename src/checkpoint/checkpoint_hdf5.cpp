#include "checkpoint/checkpoint_hdf5.h"

#include <limits>

namespace longhaul {
namespace {

Hdf5Id make_access_properties() {
  Hdf5Id properties = make_file_access();
  // Metadata in blocks of its own, so that it does not interleave with the tensors.
  H5Pset_meta_block_size(properties.get(), hsize_t{1} << 16);
  return properties;
}

/// `fraction_bits` below `exponent_bits` below the sign, as IEEE lays out floats.
Hdf5Id make_small_float(std::size_t exponent_bits, std::size_t fraction_bits, std::size_t bias) {
  Hdf5Id type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  // In this order: each step must leave a valid type.
  const std::size_t bits = 1 + exponent_bits + fraction_bits;
  H5Tset_fields(type.get(), bits - 1, fraction_bits, exponent_bits, 0, fraction_bits);
  H5Tset_precision(type.get(), bits);
  H5Tset_size(type.get(), bits / 8);
  H5Tset_ebias(type.get(), bias);
  return type;
}

/// Reads a scalar fixed-length string through `read`, which is given the type and the buffer.
template <typename Read>
std::string read_fixed_string(const Hdf5Id& type, const std::string& what,
                              const std::filesystem::path& file, Read read) {
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0) {
    user_error("{}: {} is not a fixed-length string; the file was not written by this program",
               file.string(), what);
  }
  std::string text(H5Tget_size(type.get()), '\0');
  check_hdf5(read(type.get(), text.data()), file, "cannot read " + what);
  return trim_text(std::move(text));
}

template <typename T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

Hdf5Id create_hdf5_file(const std::filesystem::path& file) {
  silence_hdf5_errors();
  const Hdf5Id properties = make_access_properties();
  return {check_hdf5(H5Fcreate(file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, properties.get()), file,
                     "cannot create the file"),
          H5Fclose};
}

Hdf5Id open_hdf5_file(const std::filesystem::path& file) {
  silence_hdf5_errors();
  const Hdf5Id properties = make_access_properties();
  Hdf5Id id(H5Fopen(file.c_str(), H5F_ACC_RDONLY, properties.get()), H5Fclose);
  if (!id.valid()) {
    user_error("{}: cannot be opened as an HDF5 file: {}", file.string(), hdf5_error_text());
  }
  return id;
}

Hdf5Id make_hdf5_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return {H5Tcopy(H5T_IEEE_F64LE), H5Tclose};
    case DType::f32:
      return {H5Tcopy(H5T_IEEE_F32LE), H5Tclose};
    case DType::bf16:
      return make_small_float(8, 7, 127);
    case DType::f16:
      return make_small_float(5, 10, 15);
    case DType::i64:
      return {H5Tcopy(H5T_STD_I64LE), H5Tclose};
    case DType::i32:
      return {H5Tcopy(H5T_STD_I32LE), H5Tclose};
    case DType::u8:
      return {H5Tcopy(H5T_STD_U8LE), H5Tclose};
  }
  LONGHAUL_CHECK(false, "dtype {}", static_cast<int>(dtype));
}

std::string impossible_value(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return bytes_of(std::numeric_limits<double>::quiet_NaN());
    case DType::f32:
      return bytes_of(std::numeric_limits<float>::quiet_NaN());
    case DType::bf16:
      return bytes_of(std::uint16_t{0x7fc0});
    case DType::f16:
      return bytes_of(std::uint16_t{0x7e00});
    case DType::i64:
      return bytes_of(std::numeric_limits<std::int64_t>::min());
    case DType::i32:
      return bytes_of(std::numeric_limits<std::int32_t>::min());
    case DType::u8:
      return bytes_of(std::uint8_t{255});
  }
  LONGHAUL_CHECK(false, "dtype {}", static_cast<int>(dtype));
}

Hdf5Id make_link_properties() {
  Hdf5Id properties(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(properties.get(), 1);
  H5Pset_char_encoding(properties.get(), H5T_CSET_UTF8);
  return properties;
}

void write_attribute(hid_t object, const char* name, const std::string& value,
                     const std::filesystem::path& file) {
  const std::string what = fmt::format("cannot write attribute {}", name);
  const Hdf5Id type = make_text_type(value.size());
  const Hdf5Id space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Id attribute(
      check_hdf5(H5Acreate2(object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), file,
                 what),
      H5Aclose);
  check_hdf5(H5Awrite(attribute.get(), type.get(), pad_text(value).data()), file, what);
}

void write_attribute(hid_t object, const char* name, std::int64_t value,
                     const std::filesystem::path& file) {
  const std::string what = fmt::format("cannot write attribute {}", name);
  const Hdf5Id space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Id attribute(
      check_hdf5(H5Acreate2(object, name, H5T_STD_I64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                 file, what),
      H5Aclose);
  check_hdf5(H5Awrite(attribute.get(), H5T_STD_I64LE, &value), file, what);
}

namespace {

Hdf5Id open_attribute(hid_t object, const char* name, const std::filesystem::path& file) {
  Hdf5Id attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  if (!attribute.valid()) {
    user_error("{}: has no attribute '{}'; it is not a file of a checkpoint", file.string(), name);
  }
  return attribute;
}

}  // namespace

std::string read_string_attribute(hid_t object, const char* name,
                                  const std::filesystem::path& file) {
  const Hdf5Id attribute = open_attribute(object, name, file);
  const Hdf5Id type(H5Aget_type(attribute.get()), H5Tclose);
  return read_fixed_string(
      type, fmt::format("attribute '{}'", name), file,
      [&](hid_t memory_type, char* out) { return H5Aread(attribute.get(), memory_type, out); });
}

std::int64_t read_integer_attribute(hid_t object, const char* name,
                                    const std::filesystem::path& file) {
  const Hdf5Id attribute = open_attribute(object, name, file);
  const Hdf5Id type(H5Aget_type(attribute.get()), H5Tclose);
  if (H5Tequal(type.get(), H5T_STD_I64LE) <= 0) {
    user_error(
        "{}: attribute '{}' is not a 64-bit integer; the file was not written by this "
        "program",
        file.string(), name);
  }
  std::int64_t value = 0;
  check_hdf5(H5Aread(attribute.get(), H5T_STD_I64LE, &value), file,
             fmt::format("cannot read attribute {}", name));
  return value;
}

void write_text_dataset(hid_t file_id, const char* path, const std::string& text,
                        const std::filesystem::path& file) {
  const std::string what = fmt::format("cannot write {}", path);
  const Hdf5Id type = make_text_type(text.size());
  const Hdf5Id space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Id links = make_link_properties();
  const Hdf5Id dataset(check_hdf5(H5Dcreate2(file_id, path, type.get(), space.get(), links.get(),
                                             H5P_DEFAULT, H5P_DEFAULT),
                                  file, what),
                       H5Dclose);
  check_hdf5(
      H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pad_text(text).data()),
      file, what);
}

std::string read_text_dataset(hid_t file_id, const char* path, const std::filesystem::path& file) {
  const Hdf5Id dataset(
      check_hdf5(H5Dopen2(file_id, path, H5P_DEFAULT), file, fmt::format("cannot open {}", path)),
      H5Dclose);
  const Hdf5Id type(H5Dget_type(dataset.get()), H5Tclose);
  return read_fixed_string(type, path, file, [&](hid_t memory_type, char* out) {
    return H5Dread(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
  });
}

}  // namespace longhaul
