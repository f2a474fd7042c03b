#pragma once

#include <string>

namespace longhaul::preflight {

/// The hexadecimal id that the linker gave this program (GNU build id): two builds of different
/// code have different ones. Without one, the size and checksum of the program's file.
std::string build_id();

}  // namespace longhaul::preflight
