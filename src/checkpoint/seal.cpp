#include "checkpoint/seal.h"

#include <sstream>

#include "checkpoint/format.h"
#include "checkpoint/naming.h"
#include "core/crc32c.h"
#include "core/error.h"
#include "core/file.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

std::string seal_text(const Seal& seal) {
  const std::string text = fmt::format(
      "longhaul-checkpoint {}\nid {}\nstep {}\nwritten {}\nindex {} {:08x}\n", kFormatVersion,
      seal.id, seal.step, seal.written, seal.index_bytes, seal.index_crc);
  return fmt::format("{}seal {:08x}\n", text, crc32c(text));
}

}  // namespace

void write_seal(const fs::path& directory, const Seal& seal) {
  write_text_file(directory / kSealFileName, seal_text(seal));
}

void replace_seal(const fs::path& directory, const Seal& seal) {
  replace_text_file(directory / kSealFileName, seal_text(seal));
}

Seal read_seal(const fs::path& directory) {
  const fs::path file = directory / kSealFileName;
  const std::string text = read_text_file(file);
  Seal seal;
  std::int64_t version = 0;
  std::uint32_t stated = 0;
  std::istringstream in(text);
  const auto label = [&](const char* expected) {
    std::string word;
    in >> word;
    return word == expected;
  };
  const bool headed = label("longhaul-checkpoint") && (in >> version);
  if (headed && version > kFormatVersion) throw NewerFormatError(file, version);
  const bool parsed = headed && label("id") && (in >> seal.id) && label("step") &&
                      (in >> seal.step) && label("written") && (in >> seal.written) &&
                      label("index") && (in >> seal.index_bytes >> std::hex >> seal.index_crc) &&
                      label("seal") && (in >> stated);
  const std::size_t covered = text.rfind("seal ");
  // Comparing the exact last line leaves no byte of the file without a check.
  if (!parsed || covered == std::string::npos ||
      text.substr(covered) !=
          fmt::format("seal {:08x}\n", crc32c(std::string_view(text).substr(0, covered)))) {
    user_error("{}: is damaged", file.string());
  }
  return seal;
}

}  // namespace longhaul
