#include "compute/cpu/cpu_backend.h"

#include <cblas.h>
#include <omp.h>

#include "compute/cpu/blas_kernels.h"
#include "core/arena.h"
#include "core/error.h"

namespace longhaul {

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  return std::make_unique<cpu::CpuBackend>(threads, cpu::best_kernels());
}

namespace cpu {

CpuBackend::CpuBackend(int threads, const Kernels& kernels) : threads_(threads), kernels_(kernels) {
  if (threads < 1) {
    user_error("The CPU backend was asked for {} threads; give at least 1", threads);
  }
  // A team of another size than asked for would still be right, but not bit-identical in OpenBLAS.
  omp_set_dynamic(0);
  omp_set_num_threads(threads);
  choose_blas_kernels();
  openblas_set_num_threads(threads);
  stream_names_.emplace_back("compute");
}

std::string CpuBackend::describe() const {
  const char* build = openblas_get_parallel() == OPENBLAS_OPENMP ? "" : ", not its OpenMP build";
  return fmt::format("cpu (OpenBLAS {}{}, {} kernels, {} thread{})", openblas_get_corename(), build,
                     kernels_.name, threads_, threads_ == 1 ? "" : "s");
}

void CpuBackend::set_workspace(void* data, std::size_t bytes) {
  LONGHAUL_CHECK(reinterpret_cast<std::uintptr_t>(data) % Arena::kAlignment == 0,
                 "the workspace must be aligned to {} bytes", Arena::kAlignment);
  workspace_ = static_cast<std::byte*>(data);
  workspace_bytes_ = bytes;
}

}  // namespace cpu
}  // namespace longhaul
