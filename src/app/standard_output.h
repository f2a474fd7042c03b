#pragma once

#include <string>

namespace longhaul {

/// Writes and flushes `out` on standard output and clears it. Throws UserError when that fails.
void write_output(std::string& out);

}  // namespace longhaul
