#pragma once

#include <cublasLt.h>

#include "core/error.h"

namespace longhaul {

/// Checks the return code of a cuBLASLt call. `what` names the operation and its shape; it is only
/// evaluated when the call has failed.
#define LONGHAUL_CUBLAS_CHECK(call, what)                                                       \
  do {                                                                                          \
    const cublasStatus_t cublas_code_ = (call);                                                 \
    LONGHAUL_CHECK(cublas_code_ == CUBLAS_STATUS_SUCCESS, "{}: {} ({})", what,                  \
                   cublasLtGetStatusString(cublas_code_), cublasLtGetStatusName(cublas_code_)); \
  } while (false)

}  // namespace longhaul
