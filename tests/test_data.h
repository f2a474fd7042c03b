#pragma once

#include <cstdlib>
#include <filesystem>

namespace longhaul::testing {

/// The folder tests/data: where it was when the tests were built, or what the environment variable
/// LONGHAUL_TEST_DATA says, so that test programs run elsewhere.
inline std::filesystem::path test_data() {
  const char* const moved = std::getenv("LONGHAUL_TEST_DATA");
  return moved != nullptr && *moved != '\0' ? moved : LONGHAUL_TEST_DATA;
}

}  // namespace longhaul::testing
