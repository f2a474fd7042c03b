#pragma once

#include "compute/backend.h"
#include "compute/cpu/kernels.h"

namespace longhaul::cpu {

/// The CPU backend with these vector kernels instead of the processor's best.
Backend make_backend(int threads, const Kernels& kernels);

}  // namespace longhaul::cpu
