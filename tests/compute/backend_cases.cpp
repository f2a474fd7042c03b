#include "compute/backend_fixture.h"
#include "compute/cpu/cpu_backend.h"
#if LONGHAUL_HAS_CUDA
#include "compute/cuda/cuda_backend.h"
#include "compute/cuda/device/device.h"
#endif

namespace longhaul {
namespace {

#if LONGHAUL_HAS_CUDA
// One GPU: with cuDNN where it is there, with our own attention kernel, and as --deterministic true
// has it. The first two find algorithms of products by timing.
void add_cuda_cases(std::vector<BackendCase>& cases) {
  if (cuda::cuda_problem()) return;
  cases.push_back({"cuda_cudnn",
                   []() -> Backend {
                     const bool found = cuda::cudnn_usable();
                     return make_cuda_backend(
                         {.attention = found ? AttentionChoice::cudnn : AttentionChoice::flash});
                   },
                   Repeats::within_rounding});
  cases.push_back(
      {"cuda_timed",
       []() -> Backend { return make_cuda_backend({.attention = AttentionChoice::flash}); },
       Repeats::within_rounding});
  cases.push_back({"cuda_flash", []() -> Backend {
                     return make_cuda_backend(
                         {.deterministic = true, .attention = AttentionChoice::flash});
                   }});
}
#endif

}  // namespace

// Thread counts 1, 2 and 3: none, the usual, and one that divides nothing. The narrower kernels are
// tested on machines that would choose wider ones.
std::vector<BackendCase> backend_cases() {
  std::vector<BackendCase> cases{
      {"cpu_1_thread", [] { return make_cpu_backend(1); }},
      {"cpu_2_threads", [] { return make_cpu_backend(2); }},
      {"cpu_3_threads", [] { return make_cpu_backend(3); }},
      {"cpu_baseline", []() -> Backend { return cpu::make_backend(2, cpu::baseline_kernels()); }},
  };
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    cases.push_back(
        {"cpu_avx2", []() -> Backend { return cpu::make_backend(2, cpu::avx2_kernels()); }});
  }
#endif
#if LONGHAUL_HAS_CUDA
  add_cuda_cases(cases);
#endif
  return cases;
}

}  // namespace longhaul
