#pragma once

#include <filesystem>

#include "compute/backend.h"
#include "compute/cuda/attention/attention_choice.h"

namespace longhaul {

struct CudaOptions {
  int device = 0;
  /// Every op gives the same bits every time: our own attention kernel, no timing of GEMM
  /// algorithms.
  bool deterministic = false;
  AttentionChoice attention = AttentionChoice::automatic;
  /// Where the fastest GEMM algorithms are remembered; empty: nowhere.
  std::filesystem::path gemm_file;
};

/// The CUDA backend on one GPU. Throws UserError when the GPU or the driver cannot be used.
Backend make_cuda_backend(const CudaOptions& options);

namespace cuda {

/// Can AttentionChoice::cudnn be used on this machine?
bool cudnn_usable();

}  // namespace cuda
}  // namespace longhaul
