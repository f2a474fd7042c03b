// gzip and zstd data: damaged data as it comes, and good data cut into parts and pieces.
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <sstream>

#include "core/error.h"
#include "data/rows/row_reader.h"
#include "fuzz_support.h"

using namespace longhaul;
using fuzz::Choices;
using fuzz::require;

namespace {

/// A small input can unpack to terabytes; they are not waited for.
constexpr std::size_t kMostText = std::size_t{1} << 22;
/// zstd data can ask for 2 GiB of memory for its window, and gets it; not a thousand times a
/// second.
constexpr std::uint64_t kMostWindow = std::uint64_t{1} << 24;

/// The window of the zstd frame that begins at bytes[at], or its content's size where that stands
/// for it (RFC 8878, 3.1.1.1).
std::uint64_t frame_window(std::string_view bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint64_t {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0;
  };
  const std::uint64_t descriptor = byte(at + 4);
  if ((descriptor & 0x20U) == 0) {
    const std::uint64_t base = std::uint64_t{1} << (10 + (byte(at + 5) >> 3));
    return base + base / 8 * (byte(at + 5) & 7U);
  }
  constexpr std::array<std::size_t, 4> kIdBytes{0, 1, 2, 4};
  const std::size_t size_bytes = std::size_t{1} << (descriptor >> 6);
  const std::size_t begin = at + 5 + kIdBytes[descriptor & 3U];
  std::uint64_t size = 0;
  for (std::size_t i = size_bytes; i-- > 0;) size = size << 8 | byte(begin + i);
  return size;
}

bool wants_much_memory(std::string_view bytes) {
  constexpr std::string_view kFrame = "\x28\xB5\x2F\xFD";
  for (std::size_t at = bytes.find(kFrame); at != std::string_view::npos;
       at = bytes.find(kFrame, at + 1)) {
    if (frame_window(bytes, at) > kMostWindow) return true;
  }
  return false;
}

void read_damaged(const std::string& bytes) {
  if (wants_much_memory(bytes)) return;
  std::istringstream stream(bytes);
  Unpacker unpacker(*stream.rdbuf(), "rows");
  std::vector<char> buffer(1 + bytes.size() % 5000);
  try {
    std::size_t text_bytes = 0;
    while (text_bytes < kMostText) {
      const std::size_t got = unpacker.read(buffer);
      text_bytes += got;
      if (got == 0) break;
      require(got <= buffer.size(), "no more text than there is room for");
    }
  } catch (const UserError& error) {
    require(std::string_view(error.what()).find("rows") != std::string_view::npos,
            "an error names the file");
  }
  require(unpacker.packed_bytes() <= static_cast<std::int64_t>(bytes.size()),
          "no more is used than there is");
}

std::string gzip(std::string_view text, int level) {
  z_stream stream{};
  require(deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 1, Z_DEFAULT_STRATEGY) == Z_OK, "zlib");
  std::string packed(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<unsigned>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<unsigned>(packed.size());
  require(deflate(&stream, Z_FINISH) == Z_STREAM_END, "zlib");
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zstd(std::string_view text, int level) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), level));
  return packed;
}

void read_good(Choices& choices) {
  const bool use_zstd = choices.below(2) == 0;
  const int level = static_cast<int>(choices.below(9)) + 1;
  std::string text;
  std::string packed;
  do {
    std::string part = choices.text(300);
    if (choices.below(8) == 0) {
      const std::string once = part;
      for (int i = 0; i < 400; ++i) part += once;
    }
    text += part;
    packed += use_zstd ? zstd(part, level) : gzip(part, level);
  } while (!choices.empty());
  std::istringstream stream(packed);
  Unpacker unpacker(*stream.rdbuf(), "rows");
  std::vector<char> buffer(1 + text.size() % 777);
  std::string unpacked;
  while (const std::size_t got = unpacker.read(buffer)) unpacked.append(buffer.data(), got);
  require(unpacked == text, "what was packed comes out");
  require(unpacker.packed_bytes() == static_cast<std::int64_t>(packed.size()), "all of it is used");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  if (size > 0 && data[0] == 'g') {
    choices.byte();
    read_good(choices);
  } else {
    read_damaged(std::string(choices.rest()));
  }
  return 0;
}
