#include "compute/cpu/blas_kernels.h"

#include <cblas.h>

#include <cstdlib>
#include <string_view>

#include "compute/cpu/kernels.h"

// How OpenBLAS chooses when it is loaded. Builds for one kind of processor have nothing to choose.
extern "C" {
[[gnu::weak]] void gotoblas_dynamic_init();
[[gnu::weak]] void gotoblas_dynamic_quit();
}

namespace longhaul::cpu {
namespace {

constexpr const char* kCoreType = "OPENBLAS_CORETYPE";
constexpr std::string_view kFallback = "Prescott";

}  // namespace

void choose_blas_kernels() {
  if (gotoblas_dynamic_init == nullptr || gotoblas_dynamic_quit == nullptr) return;
  if (std::getenv(kCoreType) != nullptr || kFallback != openblas_get_corename()) return;
  const char* const type = best_kernels().blas_core_type;
  if (type == nullptr) return;
  setenv(kCoreType, type, /*overwrite=*/0);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
}

}  // namespace longhaul::cpu
