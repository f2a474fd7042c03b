// Preloaded into the ranks of a test: SIGUSR2 lets this rank do what LONGHAUL_TEST_FAULT says.
//   exit   the process leaves with code 0, as if it were done
//   error  its next all-gather fails, as when a network breaks
//   hang   its next matrix product takes for ever
#include <cblas.h>
#include <dlfcn.h>
#include <mpi.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<bool> failing{false};
std::atomic<bool> hanging{false};

void inject(int /*signal*/) {
  const char* const fault = std::getenv("LONGHAUL_TEST_FAULT");
  if (std::strcmp(fault, "exit") == 0) ::_exit(0);
  failing = std::strcmp(fault, "error") == 0;
  hanging = std::strcmp(fault, "hang") == 0;
}

__attribute__((constructor)) void prepare() {
  if (std::getenv("LONGHAUL_TEST_FAULT") != nullptr) std::signal(SIGUSR2, inject);
}

}  // namespace

extern "C" int MPI_Allgather(const void* send, int send_count, MPI_Datatype send_type, void* recv,
                             int recv_count, MPI_Datatype recv_type, MPI_Comm comm) {
  if (failing) return MPI_ERR_OTHER;
  return PMPI_Allgather(send, send_count, send_type, recv, recv_count, recv_type, comm);
}

extern "C" void cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b,
                            blasint m, blasint n, blasint k, float alpha, const float* a,
                            blasint lda, const float* b, blasint ldb, float beta, float* c,
                            blasint ldc) {
  while (hanging) ::pause();
  static const auto real =
      reinterpret_cast<decltype(&cblas_sgemm)>(::dlsym(RTLD_NEXT, "cblas_sgemm"));
  real(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
