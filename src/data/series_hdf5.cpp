#include "data/series_hdf5.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <bit>

namespace longhaul {

static_assert(std::endian::native == std::endian::little,
              "series are little-endian, and memory is written as it is");

std::uint32_t crc32c_of(const void* data, std::size_t bytes, std::uint32_t before) {
  constexpr std::size_t kMost = std::size_t{1} << 30;  // the library counts in int
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint32_t state = ~before;
  while (bytes > 0) {
    const std::size_t piece = std::min(bytes, kMost);
    // The library only reads, though its declaration lacks the const.
    state = crc32_iscsi(const_cast<unsigned char*>(at), static_cast<int>(piece), state);
    at += piece;
    bytes -= piece;
  }
  return ~state;
}

namespace series {
namespace {

herr_t append_cause(unsigned /*depth*/, const H5E_error2_t* frame, void* text) {
  auto& out = *static_cast<std::string*>(text);
  if (frame->desc == nullptr || *frame->desc == '\0') return 0;
  if (!out.empty()) out += "; ";
  out += frame->desc;
  return 0;
}

}  // namespace

void silence_errors() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::string error_text() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, append_cause, &text);
  return text.empty() ? "no reason given" : text;
}

Handle file_access() {
  Handle properties(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_file_locking(properties.get(), false, true);
  return properties;
}

hid_t type_id(SeriesType type) {
  switch (type) {
    case SeriesType::u8:
      return H5T_STD_U8LE;
    case SeriesType::i32:
      return H5T_STD_I32LE;
    case SeriesType::u32:
      return H5T_STD_U32LE;
    case SeriesType::i64:
      return H5T_STD_I64LE;
    case SeriesType::f32:
      return H5T_IEEE_F32LE;
  }
  return H5I_INVALID_HID;
}

std::size_t element_size(SeriesType type) {
  switch (type) {
    case SeriesType::u8:
      return 1;
    case SeriesType::i32:
    case SeriesType::u32:
    case SeriesType::f32:
      return 4;
    case SeriesType::i64:
      return 8;
  }
  return 0;
}

}  // namespace series
}  // namespace longhaul
