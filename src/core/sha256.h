#pragma once

#include <string>
#include <string_view>

namespace longhaul {

/// SHA-256 (FIPS 180-4) of a byte string, as 64 lower-case hexadecimal digits. Recognises chat
/// templates and keys the token cache.
std::string sha256_hex(std::string_view bytes);

}  // namespace longhaul
