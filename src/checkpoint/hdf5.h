#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "core/dtype.h"
#include "core/error.h"

namespace longhaul {

/// An HDF5 identifier with the function that closes it. Move-only.
class Hdf5Id {
 public:
  using Closer = herr_t (*)(hid_t);

  Hdf5Id() = default;
  Hdf5Id(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  ~Hdf5Id() { reset(); }
  Hdf5Id(Hdf5Id&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), closer_(other.closer_) {}
  Hdf5Id& operator=(Hdf5Id&& other) noexcept {
    if (this != &other) {
      reset();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
      closer_ = other.closer_;
    }
    return *this;
  }
  Hdf5Id(const Hdf5Id&) = delete;
  Hdf5Id& operator=(const Hdf5Id&) = delete;

  [[nodiscard]] hid_t get() const { return id_; }
  [[nodiscard]] bool valid() const { return id_ >= 0; }
  /// Closes and says whether HDF5 could: closing a file writes what is left of it.
  [[nodiscard]] bool close() {
    return id_ < 0 || closer_(std::exchange(id_, H5I_INVALID_HID)) >= 0;
  }

 private:
  void reset() noexcept {
    if (id_ >= 0) closer_(std::exchange(id_, H5I_INVALID_HID));
  }

  hid_t id_ = H5I_INVALID_HID;
  Closer closer_ = nullptr;
};

/// HDF5's own account of the last failure in this thread, innermost cause first. It is in memory
/// only: opening or creating a file below stops HDF5 from printing it.
std::string hdf5_error_text();

/// Throws InternalError "<file>: <what>: <HDF5's account>" when an HDF5 call failed.
template <typename T>
T check_hdf5(T result, const std::filesystem::path& file, std::string_view what) {
  if (result < 0) {
    throw InternalError(fmt::format("{}: {}: {}", file.string(), what, hdf5_error_text()));
  }
  return result;
}

/// Creates a file that every HDF5 since 1.8 opens, also when the writer is killed before closing
/// it. Without file locks (network file systems often refuse them, and nobody opens a file of ours
/// before it is renamed to its final name). An existing file is overwritten.
Hdf5Id create_hdf5_file(const std::filesystem::path& file);
/// Opens for reading, without locks. Throws UserError with HDF5's account when it is not HDF5,
/// truncated, unreadable, ...
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
