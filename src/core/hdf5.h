#pragma once

#include <hdf5.h>

#include <cstddef>
#include <string>
#include <utility>

namespace longhaul {

// What every use of HDF5 needs. The library must be built thread-safe: it then locks itself around
// each call, so calls from several threads are sound but never run at the same time, and each
// thread has its own error stack and its own switch for printing it. Data is written as it lies in
// memory, little-endian.

/// An HDF5 identifier with the function that closes it. Move-only.
class Hdf5Id {
 public:
  using Closer = herr_t (*)(hid_t);

  Hdf5Id() = default;
  Hdf5Id(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  ~Hdf5Id() { static_cast<void>(close()); }
  Hdf5Id(Hdf5Id&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), closer_(other.closer_) {}
  Hdf5Id& operator=(Hdf5Id&& other) noexcept {
    if (this != &other) {
      static_cast<void>(close());
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
  [[nodiscard]] bool close() noexcept {
    return id_ < 0 || closer_(std::exchange(id_, H5I_INVALID_HID)) >= 0;
  }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Closer closer_ = nullptr;
};

/// Stops HDF5 from printing errors in this thread; hdf5_error_text() gives them.
void silence_hdf5_errors();
/// HDF5's own account of this thread's last failure, innermost cause first.
std::string hdf5_error_text();

/// Properties to open or create a file with: no locks, which network file systems often refuse.
/// Nobody opens a file of ours before it is renamed to its final name.
Hdf5Id make_file_access();

/// The type of a UTF-8 text of `length` bytes; the empty text takes one byte. Shorter texts are
/// padded with zeros.
Hdf5Id make_text_type(std::size_t length);
/// A text as it is stored under make_text_type(text.size()).
std::string pad_text(std::string text);
/// A text as it was before it was padded.
std::string trim_text(std::string text);

}  // namespace longhaul
