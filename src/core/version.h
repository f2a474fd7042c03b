#pragma once

namespace longhaul {

/// The program's version, from the top CMakeLists.txt.
inline constexpr const char* kVersion = LONGHAUL_VERSION;

}  // namespace longhaul
