#include "data/files/zstd_decompressor.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "core/error.h"

namespace longhaul {

bool is_zstd_signature(std::string_view first_bytes) {
  if (first_bytes.starts_with("\x28\xB5\x2F\xFD")) return true;
  return first_bytes.size() >= 4 && (static_cast<unsigned char>(first_bytes[0]) & 0xF0U) == 0x50U &&
         first_bytes.substr(1, 3) == "\x2A\x4D\x18";
}

ZstdDecompressor::ZstdDecompressor() : context_(ZSTD_createDCtx()) {
  LONGHAUL_CHECK(context_ != nullptr, "zstd cannot start");
  // The library's own limit is 27, beyond which its program wants --long.
  const ZSTD_bounds bounds = ZSTD_dParam_getBounds(ZSTD_d_windowLogMax);
  ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, bounds.upperBound);
}

ZstdDecompressor::~ZstdDecompressor() { ZSTD_freeDCtx(context_); }

std::size_t ZstdDecompressor::unpack(std::string_view& packed, std::span<char> out) {
  // At the end of a frame zstd would take a call without input for the beginning of another.
  if (packed.empty() && complete_) return 0;
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  ZSTD_outBuffer buffer{out.data(), out.size(), 0};
  const std::size_t result = ZSTD_decompressStream(context_, &buffer, &in);
  packed.remove_prefix(in.pos);
  if (ZSTD_isError(result) != 0) {
    if (complete_ && ZSTD_getErrorCode(result) == ZSTD_error_prefix_unknown) {
      throw DamagedData("what follows is not zstd data");
    }
    throw DamagedData(ZSTD_getErrorName(result));
  }
  complete_ = result == 0;
  return buffer.pos;
}

}  // namespace longhaul
