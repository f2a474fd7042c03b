#include "app/standard_output.h"

#include <cstdio>

#include "core/error.h"

namespace longhaul {

void write_output(std::string& out) {
  if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0) {
    user_error("standard output: writing failed; is the disk full or the reader gone?");
  }
  out.clear();
}

}  // namespace longhaul
