#pragma once

#include <cstdint>
#include <string_view>

namespace longhaul {

/// Bytes in a text like "5GB", "200MB", "1.5GiB" or "4096": decimal units (kB, MB, GB, TB are
/// powers of 1000, as in transformers) or binary ones (KiB, MiB, GiB, TiB), in any case. Throws
/// UserError naming `flag` for anything else, zero, and sizes beyond 2^60.
std::int64_t parse_byte_size(std::string_view text, std::string_view flag);

}  // namespace longhaul
