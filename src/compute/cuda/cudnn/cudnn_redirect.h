#pragma once

// Included before cudnn_frontend.h, and nowhere else: makes the frontend call the cuDNN that was
// opened at run time, where it would otherwise have to be linked.

#include <cudnn.h>
#include <nvrtc.h>

#include "compute/cuda/cudnn/cudnn_library.h"

/// A function of the library, looked up once.
#define LONGHAUL_CUDNN(name)                                                           \
  ([]() {                                                                              \
    static auto* const address =                                                       \
        reinterpret_cast<decltype(&::name)>(::longhaul::cudnn::library_symbol(#name)); \
    return address;                                                                    \
  }())

// What the frontend calls for any graph.
#define cudnnBackendCreateDescriptor LONGHAUL_CUDNN(cudnnBackendCreateDescriptor)
#define cudnnBackendDestroyDescriptor LONGHAUL_CUDNN(cudnnBackendDestroyDescriptor)
#define cudnnBackendExecute LONGHAUL_CUDNN(cudnnBackendExecute)
#define cudnnBackendFinalize LONGHAUL_CUDNN(cudnnBackendFinalize)
#define cudnnBackendGetAttribute LONGHAUL_CUDNN(cudnnBackendGetAttribute)
#define cudnnBackendSetAttribute LONGHAUL_CUDNN(cudnnBackendSetAttribute)
#define cudnnGetErrorString LONGHAUL_CUDNN(cudnnGetErrorString)
#define cudnnGetLastErrorString LONGHAUL_CUDNN(cudnnGetLastErrorString)
#define cudnnGetStream LONGHAUL_CUDNN(cudnnGetStream)
#define cudnnGetVersion LONGHAUL_CUDNN(cudnnGetVersion)
// What it mentions besides, in functions that remain in builds without optimisation.
#define cudnnCreateFilterDescriptor LONGHAUL_CUDNN(cudnnCreateFilterDescriptor)
#define cudnnDestroyFilterDescriptor LONGHAUL_CUDNN(cudnnDestroyFilterDescriptor)
#define cudnnReorderFilterAndBias LONGHAUL_CUDNN(cudnnReorderFilterAndBias)
#define cudnnSetFilterNdDescriptor LONGHAUL_CUDNN(cudnnSetFilterNdDescriptor)

// The frontend has kernels of its own for other operations and other GPUs, which it compiles at run
// time. Attention never gets there, so the compiler library need not be linked either.
namespace longhaul::cudnn {
template <typename... Arguments>
nvrtcResult no_nvrtc(Arguments&&... /*unused*/) {
  return NVRTC_ERROR_INTERNAL_ERROR;
}
}  // namespace longhaul::cudnn
#define nvrtcCompileProgram ::longhaul::cudnn::no_nvrtc
#define nvrtcCreateProgram ::longhaul::cudnn::no_nvrtc
#define nvrtcDestroyProgram ::longhaul::cudnn::no_nvrtc
#define nvrtcGetCUBIN ::longhaul::cudnn::no_nvrtc
#define nvrtcGetCUBINSize ::longhaul::cudnn::no_nvrtc
#define nvrtcGetProgramLog ::longhaul::cudnn::no_nvrtc
#define nvrtcGetProgramLogSize ::longhaul::cudnn::no_nvrtc
