#pragma once

#include <string>

namespace longhaul {

/// So many random hexadecimal digits, from the system's source of randomness: a name that nothing
/// else has. digits: a multiple of 8.
std::string random_hex(int digits);

}  // namespace longhaul
