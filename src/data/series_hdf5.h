#pragma once

#include <hdf5.h>

#include <string>
#include <utility>

#include "data/series_file.h"

// What reading and writing series files share. Private to series_file_*.cpp.
namespace longhaul::series {

/// An HDF5 identifier with the function that closes it. Move-only.
class Handle {
 public:
  using Closer = herr_t (*)(hid_t);

  Handle() = default;
  Handle(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  ~Handle() { static_cast<void>(close()); }
  Handle(Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), closer_(other.closer_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      static_cast<void>(close());
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
      closer_ = other.closer_;
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  [[nodiscard]] hid_t get() const { return id_; }
  [[nodiscard]] bool valid() const { return id_ >= 0; }
  /// False when HDF5 could not; closing a file writes what is left of it.
  [[nodiscard]] bool close() noexcept {
    return id_ < 0 || closer_(std::exchange(id_, H5I_INVALID_HID)) >= 0;
  }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Closer closer_ = nullptr;
};

/// Stops HDF5 from printing errors in this thread; error_text() gives them.
void silence_errors();
/// HDF5's account of this thread's last failure, innermost cause first.
std::string error_text();

/// Properties to open or create a file with: no locks, which network file systems often refuse.
Handle file_access();

/// The type in the file and, identical, in memory. A constant of the library: not to be closed.
hid_t type_id(SeriesType type);
std::size_t element_size(SeriesType type);

/// The attribute of a series that holds the CRC-32C of its bytes.
inline constexpr const char* kChecksumName = "crc32c";

}  // namespace longhaul::series
