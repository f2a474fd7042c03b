#pragma once

#include <nccl.h>

#include <string>

#include "core/error.h"

namespace longhaul {

/// NCCL's text for a result, with what it last had to say in detail.
inline std::string nccl_error_text(ncclResult_t result) {
  // The detail belongs to the process, not to a communicator; null asks for exactly that.
  const char* const detail = ncclGetLastError(nullptr);
  if (detail == nullptr || *detail == '\0') return ncclGetErrorString(result);
  return fmt::format("{}: {}", ncclGetErrorString(result), detail);
}

/// Checks the result of an NCCL call outside of a communicator's own operations; `what` names the
/// call for the message. Communicators are blocking, so anything but success is a failure.
#define LONGHAUL_NCCL_CHECK(call, what)                       \
  do {                                                        \
    const ncclResult_t nccl_code_ = (call);                   \
    LONGHAUL_CHECK(nccl_code_ == ncclSuccess, "{}: {}", what, \
                   ::longhaul::nccl_error_text(nccl_code_));  \
  } while (false)

}  // namespace longhaul
