#include "preflight/build_id.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstring>
#include <fstream>
#include <span>
#include <vector>

#include "core/crc32c.h"
#include "core/error.h"
#include "core/rounding.h"

namespace longhaul::preflight {
namespace {

constexpr std::size_t kNoteAlignment = 4;

/// The build id among the notes of one segment; empty when there is none.
std::string find_in_notes(std::span<const unsigned char> notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note{};
    std::memcpy(&note, notes.data(), sizeof note);
    notes = notes.subspan(sizeof note);
    const std::size_t name = round_up(std::size_t{note.n_namesz}, kNoteAlignment);
    const std::size_t bytes = round_up(std::size_t{note.n_descsz}, kNoteAlignment);
    if (name + bytes > notes.size()) break;
    const bool gnu = note.n_namesz == 4 && std::memcmp(notes.data(), "GNU", 4) == 0;
    if (gnu && note.n_type == NT_GNU_BUILD_ID) {
      std::string text;
      for (const unsigned char byte : notes.subspan(name, note.n_descsz)) {
        text += fmt::format("{:02x}", byte);
      }
      return text;
    }
    notes = notes.subspan(name + bytes);
  }
  return "";
}

/// dl_iterate_phdr() comes to the program itself first.
int look_at_program(dl_phdr_info* info, std::size_t /*size*/, void* result) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    const auto* begin = reinterpret_cast<const unsigned char*>(info->dlpi_addr + header.p_vaddr);
    std::string found = find_in_notes({begin, static_cast<std::size_t>(header.p_memsz)});
    if (found.empty()) continue;
    *static_cast<std::string*>(result) = std::move(found);
    break;
  }
  return 1;  // no further objects
}

std::string checksum_of_program() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  std::vector<char> block(std::size_t{1} << 20);
  Crc32c crc;
  std::size_t bytes = 0;
  while (file) {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    const auto got = static_cast<std::size_t>(file.gcount());
    crc.update(block.data(), got);
    bytes += got;
  }
  return fmt::format("{}-{:08x}", bytes, crc.value());
}

}  // namespace

std::string build_id() {
  std::string id;
  dl_iterate_phdr(look_at_program, &id);
  return id.empty() ? checksum_of_program() : id;
}

}  // namespace longhaul::preflight
