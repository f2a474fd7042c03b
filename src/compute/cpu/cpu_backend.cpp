#include "compute/cpu/cpu_backend.h"

#include <cblas.h>
#include <omp.h>

#include "compute/cpu/attention_tiles.h"
#include "compute/cpu/blas_kernels.h"
#include "compute/cpu/cpu_device.h"
#include "compute/cpu/cpu_ops.h"
#include "core/arena.h"
#include "core/error.h"

namespace longhaul {

Backend make_cpu_backend(int threads) { return cpu::make_backend(threads, cpu::best_kernels()); }

namespace cpu {

Backend make_backend(int threads, const Kernels& kernels) {
  if (threads < 1) {
    user_error("The CPU backend was asked for {} threads; give at least 1", threads);
  }
  // A team of another size than asked for would still be right, but not bit-identical in OpenBLAS.
  omp_set_dynamic(0);
  omp_set_num_threads(threads);
  choose_blas_kernels();
  openblas_set_num_threads(threads);
  return {std::make_unique<CpuDevice>(threads, kernels.name),
          std::make_unique<CpuOps>(threads, kernels)};
}

CpuOps::CpuOps(int threads, const Kernels& kernels) : threads_(threads), kernels_(kernels) {}

void CpuOps::set_workspace(const WorkspaceShape& /*shape*/, void* data, std::size_t bytes) {
  LONGHAUL_CHECK(reinterpret_cast<std::uintptr_t>(data) % Arena::kAlignment == 0,
                 "the workspace must be aligned to {} bytes", Arena::kAlignment);
  workspace_ = static_cast<std::byte*>(data);
  workspace_bytes_ = bytes;
}

DeviceModel cpu_model(int threads) {
  return {DeviceKind::cpu, "cpu", DType::f32,
          [threads](const WorkspaceShape& shape) { return workspace_bytes(threads, shape); }};
}

CpuDevice::CpuDevice(int threads, const char* kernels)
    : threads_(threads), kernels_(kernels), model_(cpu_model(threads)) {
  stream_names_.emplace_back("compute");
}

std::string CpuDevice::describe() const {
  const char* build = openblas_get_parallel() == OPENBLAS_OPENMP ? "" : ", not its OpenMP build";
  return fmt::format("cpu (OpenBLAS {}{}, {} kernels, {} thread{})", openblas_get_corename(), build,
                     kernels_, threads_, threads_ == 1 ? "" : "s");
}

}  // namespace cpu
}  // namespace longhaul
