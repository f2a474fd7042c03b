#include <cblas.h>

#include "compute/backend_fixture.h"
#include "compute/cpu/kernels.h"

namespace longhaul {
namespace {

std::vector<const cpu::Kernels*> usable_kernels() {
  std::vector<const cpu::Kernels*> all{&cpu::baseline_kernels()};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    all.push_back(&cpu::avx2_kernels());
  }
#endif
  if (&cpu::best_kernels() != all.back()) all.push_back(&cpu::best_kernels());
  return all;
}

TEST(CpuKernels, ExponentialIsAccurateOverItsRange) {
  for (const cpu::Kernels* kernels : usable_kernels()) {
    SCOPED_TRACE(kernels->name);
    std::vector<float> x;
    for (float v = -87.3F; v < 88.3F; v += 0.00137F) x.push_back(v);
    std::vector<float> y = x;
    kernels->scaled_exp(y.data(), 0.0F, 1.0F, static_cast<std::int64_t>(y.size()));
    double worst = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = std::exp(static_cast<double>(x[i]));
      worst = std::max(worst, std::abs(y[i] - expected) / expected);
    }
    EXPECT_LT(worst, 2e-7);
  }
}

TEST(CpuKernels, ExponentialAtTheEdges) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const cpu::Kernels* kernels : usable_kernels()) {
    SCOPED_TRACE(kernels->name);
    float x[] = {0.0F, -0.0F, -kInfinity, -1e30F, -100.0F, kInfinity, 1e30F, 100.0F, NAN};
    const float expected[] = {1.0F, 1.0F, 0.0F, 0.0F, 0.0F, kInfinity, kInfinity, kInfinity};
    kernels->scaled_exp(x, 0.0F, 1.0F, 9);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(x[i], expected[i]) << i;
    EXPECT_TRUE(std::isnan(x[8]));
  }
}

TEST(CpuKernels, SumsKeepTheirAccuracyOverLongArrays) {
  // 32000 terms added one after another in fp32 would be off by far more than this.
  constexpr std::int64_t kCount = 32000 + 7;
  const std::vector<float> x(kCount, std::log(1.0F / 3.0F));
  for (const cpu::Kernels* kernels : usable_kernels()) {
    SCOPED_TRACE(kernels->name);
    std::vector<float> with_maximum = x;
    with_maximum[5] = 0.0F;
    float maximum = -1.0F;
    double sum = 0.0;
    kernels->max_and_exp_sum(with_maximum.data(), kCount, &maximum, &sum);
    EXPECT_EQ(maximum, 0.0F);
    const double expected = 1.0 + (kCount - 1) * std::exp(static_cast<double>(x[0]));
    EXPECT_NEAR(sum / expected, 1.0, 2e-7);
  }
}

TEST(CpuBackendSetup, TheOpenMpBuildOfOpenBlasIsLoaded) {
  // The pthread build has the same soname; with it our threads and its own would compete.
  EXPECT_EQ(openblas_get_parallel(), OPENBLAS_OPENMP) << openblas_get_config();
}

TEST(CpuBackendSetup, OpenBlasUsesTheVectorsThatTheProcessorHas) {
  if (cpu::best_kernels().blas_core_type == nullptr) GTEST_SKIP() << "a processor without AVX2";
  (void)make_cpu_backend(1);
  EXPECT_STRNE(openblas_get_corename(), "Prescott") << "its choice for processors it does not know";
}

TEST(CpuBackendSetup, DescribesItself) {
  const std::string text = make_cpu_backend(2).device->describe();
  EXPECT_NE(text.find("cpu (OpenBLAS"), std::string::npos) << text;
  EXPECT_NE(text.find("2 threads"), std::string::npos) << text;
}

TEST(CpuBackendSetup, RefusesNoThreads) {
  try {
    (void)make_cpu_backend(0);
    FAIL() << "0 threads were accepted";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("0 threads; give at least 1"), std::string::npos);
  }
}

}  // namespace
}  // namespace longhaul
