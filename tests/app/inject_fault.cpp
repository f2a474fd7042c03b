// Preloaded into the ranks of a test, so that it meets them where it wants to, however fast they
// are.
//
// SIGUSR2 lets this rank do what LONGHAUL_TEST_FAULT says:
//   exit   the process leaves with code 0, as if it were done
//   error  its next all-gather fails, as when a network breaks
//   hang   its next matrix product takes for ever
//   slow   every matrix product takes some milliseconds longer
//
// LONGHAUL_TEST_HOLD is a save directory. While there is a file of its name with ".hold" at the
// end, with a number in it, the last rank stays in a matrix product once the log has as many steps.
// It goes on when the file is removed or holds a larger number, or when the program gets a signal.
#include <cblas.h>
#include <dlfcn.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace {

constexpr useconds_t kSlowMicroseconds = 5000;
constexpr useconds_t kLookAgainMicroseconds = 10000;

std::atomic<bool> failing{false};
std::atomic<bool> hanging{false};
std::atomic<bool> slow{false};
std::atomic<bool> signalled{false};

using Handler = void (*)(int);
std::array<std::atomic<Handler>, NSIG> handlers{};

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

void inject(int /*signal*/) {
  const char* const fault = std::getenv("LONGHAUL_TEST_FAULT");
  if (std::strcmp(fault, "exit") == 0) ::_exit(0);
  failing = std::strcmp(fault, "error") == 0;
  hanging = std::strcmp(fault, "hang") == 0;
  slow = std::strcmp(fault, "slow") == 0;
}

__attribute__((constructor)) void prepare() {
  if (std::getenv("LONGHAUL_TEST_FAULT") != nullptr) std::signal(SIGUSR2, inject);
}

void pass_on(int signal) {
  signalled = true;
  handlers[static_cast<std::size_t>(signal)].load()(signal);
}

bool is_last_rank() {
  int initialized = 0;
  PMPI_Initialized(&initialized);
  if (initialized == 0) return true;
  int rank = 0;
  int size = 1;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  PMPI_Comm_size(MPI_COMM_WORLD, &size);
  return rank == size - 1;
}

bool is_held(const std::string& save) {
  long steps = 0;
  if (!(std::ifstream(save + ".hold") >> steps)) return false;
  std::ifstream log(save + "/train_log.jsonl");
  return std::count(std::istreambuf_iterator<char>(log), {}, '\n') >= steps;
}

void stay_while_held() {
  static const char* const save = std::getenv("LONGHAUL_TEST_HOLD");
  if (save == nullptr) return;
  static const bool concerned = is_last_rank();
  while (concerned && !signalled && is_held(save)) ::usleep(kLookAgainMicroseconds);
}

}  // namespace

/// Where the program sets its handlers: they say that they were called.
extern "C" int sigaction(int signal, const struct sigaction* action,
                         struct sigaction* former) noexcept {
  static auto* const set = real<int(int, const struct sigaction*, struct sigaction*)>("sigaction");
  const bool stops = signal == SIGUSR1 || signal == SIGTERM || signal == SIGINT;
  if (action == nullptr || !stops || (action->sa_flags & SA_SIGINFO) != 0 ||
      action->sa_handler == SIG_IGN || action->sa_handler == SIG_DFL) {
    return set(signal, action, former);
  }
  handlers[static_cast<std::size_t>(signal)] = action->sa_handler;
  struct sigaction mine = *action;
  mine.sa_handler = pass_on;
  return set(signal, &mine, former);
}

extern "C" int MPI_Allgather(const void* send, int send_count, MPI_Datatype send_type, void* recv,
                             int recv_count, MPI_Datatype recv_type, MPI_Comm comm) {
  if (failing) return MPI_ERR_OTHER;
  return PMPI_Allgather(send, send_count, send_type, recv, recv_count, recv_type, comm);
}

extern "C" void cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b,
                            blasint m, blasint n, blasint k, float alpha, const float* a,
                            blasint lda, const float* b, blasint ldb, float beta, float* c,
                            blasint ldc) {
  stay_while_held();
  while (hanging) ::pause();
  if (slow) ::usleep(kSlowMicroseconds);
  static auto* const multiply = real<decltype(cblas_sgemm)>("cblas_sgemm");
  multiply(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
