#pragma once

#include <cstdint>
#include <string>

#include "compute/device_model.h"

namespace longhaul::cuda {

/// Who attends. Decides the workspace, and with it what a run's memory plan adds up to.
enum class AttentionLibrary : std::uint8_t {
  cudnn,  // with our own kernel for heads that cuDNN does not know
  own,
};

/// What plans need to know of an NVIDIA GPU: `name` as CUDA gives it, "NVIDIA H200". Asks no
/// device, so that a machine without a GPU plans to the byte what a machine with one does.
DeviceModel gpu_model(std::string name, AttentionLibrary attention);

}  // namespace longhaul::cuda
