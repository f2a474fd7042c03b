#include "data/files/compression.h"

#include <array>

#include "core/error.h"
#include "data/files/gzip_decompressor.h"
#include "data/files/zstd_decompressor.h"

namespace longhaul {
namespace {

struct Signature {
  std::string_view bytes;
  std::string_view format;
  std::string_view how_to_unpack;
};

/// Formats that data files come in but that are not read.
constexpr std::array<Signature, 3> kForeign{{
    {"\xFD\x37zX", "xz", "xz -d"},
    {"BZh", "bzip2", "bunzip2"},
    {"PK\x03\x04", "zip", "unzip"},
}};

}  // namespace

Compression detect_compression(std::string_view first_bytes, const std::string& name) {
  if (first_bytes.starts_with(kGzipSignature)) return Compression::gzip;
  if (is_zstd_signature(first_bytes)) return Compression::zstd;
  for (const Signature& foreign : kForeign) {
    if (first_bytes.starts_with(foreign.bytes)) {
      user_error(
          "{}: is packed as {}, which is not read; unpack it ({}), or pack it with gzip or "
          "zstd",
          name, foreign.format, foreign.how_to_unpack);
    }
  }
  return Compression::none;
}

std::string_view name_of(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return "gzip";
    case Compression::zstd:
      return "zstd";
    case Compression::none:
      break;
  }
  return "no";
}

std::unique_ptr<Decompressor> make_decompressor(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return std::make_unique<GzipDecompressor>();
    case Compression::zstd:
      return std::make_unique<ZstdDecompressor>();
    case Compression::none:
      break;
  }
  throw InternalError("there is nothing to unpack");
}

}  // namespace longhaul
