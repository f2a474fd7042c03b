#pragma once

#include <mpi.h>

#include <array>
#include <string>

#include "core/error.h"

namespace longhaul {

/// Open MPI's text for an error code.
inline std::string mpi_error_text(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return text.data();
}

/// Checks the return code of an MPI call; `what` names the operation for the message.
#define LONGHAUL_MPI_CHECK(call, what)                       \
  do {                                                       \
    const int mpi_code_ = (call);                            \
    LONGHAUL_CHECK(mpi_code_ == MPI_SUCCESS, "{}: {}", what, \
                   ::longhaul::mpi_error_text(mpi_code_));   \
  } while (false)

}  // namespace longhaul
