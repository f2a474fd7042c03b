#pragma once

#include <cuda_runtime_api.h>

#include "core/error.h"

namespace longhaul {

/// Checks the return code of a CUDA runtime call. Errors of earlier asynchronous work may surface
/// in any call, so `what` names the operation being issued, not necessarily the guilty one.
#define LONGHAUL_CUDA_CHECK(call, what)                                                            \
  do {                                                                                             \
    const cudaError_t cuda_code_ = (call);                                                         \
    LONGHAUL_CHECK(cuda_code_ == cudaSuccess, "{}: {} ({})", what, cudaGetErrorString(cuda_code_), \
                   cudaGetErrorName(cuda_code_));                                                  \
  } while (false)

/// Right after a kernel launch: a wrong configuration is reported here, under the kernel's name.
#define LONGHAUL_CUDA_CHECK_LAUNCH(what) LONGHAUL_CUDA_CHECK(cudaGetLastError(), what)

}  // namespace longhaul
