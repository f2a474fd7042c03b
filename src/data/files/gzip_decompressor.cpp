#include "data/files/gzip_decompressor.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace longhaul {
namespace {

constexpr int kWindowBits = 15;     // the format's only window
constexpr int kGzipContainer = 16;  // added to the window's bits: gzip, not zlib's own container

unsigned clamp_to_unsigned(std::size_t bytes) {
  return static_cast<unsigned>(std::min<std::size_t>(bytes, std::numeric_limits<unsigned>::max()));
}

}  // namespace

GzipDecompressor::GzipDecompressor() {
  const int result = inflateInit2(&stream_, kWindowBits + kGzipContainer);
  LONGHAUL_CHECK(result == Z_OK, "zlib cannot start: {}", result);
}

GzipDecompressor::~GzipDecompressor() { inflateEnd(&stream_); }

void GzipDecompressor::skip_padding(std::string_view& packed) {
  const std::size_t text = std::min(packed.find_first_not_of('\0'), packed.size());
  if (text > 0) place_ = Place::in_padding;
  packed.remove_prefix(text);
  if (packed.empty()) return;
  // Only its first byte can be judged here: more may not have been read yet.
  if (place_ == Place::in_padding || packed[0] != kGzipSignature[0]) {
    throw DamagedData("what follows is not gzip data");
  }
  inflateReset(&stream_);
  place_ = Place::in_member;
}

std::size_t GzipDecompressor::unpack(std::string_view& packed, std::span<char> out) {
  if (place_ != Place::in_member) skip_padding(packed);
  if (place_ != Place::in_member) return 0;
  // zlib's interface takes bytes that it does not change as not const.
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream_.avail_in = clamp_to_unsigned(packed.size());
  stream_.next_out = reinterpret_cast<Bytef*>(out.data());
  stream_.avail_out = clamp_to_unsigned(out.size());
  const unsigned room = stream_.avail_out;
  const unsigned given = stream_.avail_in;
  const int result = inflate(&stream_, Z_NO_FLUSH);
  packed.remove_prefix(given - stream_.avail_in);
  const std::size_t written = room - stream_.avail_out;
  if (result == Z_STREAM_END) {
    place_ = Place::after_member;
  } else if (written > 0) {
    // What is good comes first; the next call meets the fault again.
  } else if (result == Z_MEM_ERROR) {
    throw DamagedData("no memory is left to unpack it");
  } else if (result != Z_OK && result != Z_BUF_ERROR) {
    throw DamagedData(stream_.msg != nullptr ? stream_.msg : "not gzip data");
  }
  return written;
}

}  // namespace longhaul
