#include "compute/backend_fixture.h"
#include "compute/cpu/cpu_backend.h"

namespace longhaul {

// Thread counts 1, 2 and 3: none, the usual, and one that divides nothing. The narrower kernels are
// tested on machines that would choose wider ones.
std::vector<BackendCase> backend_cases() {
  std::vector<BackendCase> cases{
      {"cpu_1_thread", [] { return make_cpu_backend(1); }},
      {"cpu_2_threads", [] { return make_cpu_backend(2); }},
      {"cpu_3_threads", [] { return make_cpu_backend(3); }},
      {"cpu_baseline",
       []() -> std::unique_ptr<Backend> {
         return std::make_unique<cpu::CpuBackend>(2, cpu::baseline_kernels());
       }},
  };
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    cases.push_back({"cpu_avx2", []() -> std::unique_ptr<Backend> {
                       return std::make_unique<cpu::CpuBackend>(2, cpu::avx2_kernels());
                     }});
  }
#endif
  return cases;
}

}  // namespace longhaul
