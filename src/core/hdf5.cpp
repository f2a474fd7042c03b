#include "core/hdf5.h"

#include <algorithm>
#include <bit>

namespace longhaul {
namespace {

static_assert(std::endian::native == std::endian::little,
              "files are little-endian, and memory is written as it is");

std::size_t stored_length(std::size_t length) { return std::max<std::size_t>(length, 1); }

herr_t append_cause(unsigned /*depth*/, const H5E_error2_t* frame, void* text) {
  auto& out = *static_cast<std::string*>(text);
  if (frame->desc == nullptr || *frame->desc == '\0') return 0;
  if (!out.empty()) out += "; ";
  out += frame->desc;
  return 0;
}

}  // namespace

void silence_hdf5_errors() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::string hdf5_error_text() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, append_cause, &text);
  return text.empty() ? "no reason given" : text;
}

Hdf5Id make_file_access() {
  Hdf5Id properties(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_file_locking(properties.get(), false, true);
  return properties;
}

Hdf5Id make_text_type(std::size_t length) {
  Hdf5Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), stored_length(length));
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

std::string pad_text(std::string text) {
  text.resize(stored_length(text.size()), '\0');
  return text;
}

std::string trim_text(std::string text) {
  text.erase(std::find(text.begin(), text.end(), '\0'), text.end());
  return text;
}

}  // namespace longhaul
