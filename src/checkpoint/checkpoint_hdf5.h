#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/hdf5.h"
#include "core/tensor/dtype.h"

namespace longhaul {

/// Throws InternalError "<file>: <what>: <HDF5's account>" when an HDF5 call failed.
template <typename T>
T check_hdf5(T result, const std::filesystem::path& file, std::string_view what) {
  if (result < 0) {
    throw InternalError(fmt::format("{}: {}: {}", file.string(), what, hdf5_error_text()));
  }
  return result;
}

/// Creates a file that every HDF5 since 1.8 opens, also when the writer is killed before closing
/// it, and stops HDF5 from printing errors in this thread. An existing file is overwritten.
Hdf5Id create_hdf5_file(const std::filesystem::path& file);
/// Opens for reading, also with silenced errors. Throws UserError with HDF5's account when it is
/// not HDF5, truncated, unreadable, ...
Hdf5Id open_hdf5_file(const std::filesystem::path& file);

/// The type of `dtype` in files and, identical, in memory: HDF5 never converts for us. bfloat16 is
/// a custom 16-bit float, little-endian like all others.
Hdf5Id make_hdf5_type(DType dtype);
/// A fill value that no real tensor holds: NaN, or the lowest integer (255 for uint8), as bytes of
/// the type.
std::string impossible_value(DType dtype);

/// A link-creation property list that creates missing groups on the way and marks names as UTF-8.
Hdf5Id make_link_properties();

/// Attributes of an open object. Strings are scalar, fixed-length, UTF-8.
void write_attribute(hid_t object, const char* name, const std::string& value,
                     const std::filesystem::path& file);
void write_attribute(hid_t object, const char* name, std::int64_t value,
                     const std::filesystem::path& file);
/// Throw UserError when the attribute is missing or of another kind.
std::string read_string_attribute(hid_t object, const char* name,
                                  const std::filesystem::path& file);
std::int64_t read_integer_attribute(hid_t object, const char* name,
                                    const std::filesystem::path& file);

/// A scalar string dataset of any length (an attribute ends at 64 KiB).
void write_text_dataset(hid_t file_id, const char* path, const std::string& text,
                        const std::filesystem::path& file);
std::string read_text_dataset(hid_t file_id, const char* path, const std::filesystem::path& file);

}  // namespace longhaul
