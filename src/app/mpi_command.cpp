#include "app/mpi_command.h"

#include <chrono>
#include <thread>

#include "app/failure_report.h"
#include "app/report_error.h"
#include "core/error.h"

namespace longhaul {
namespace {

// What mpirun needs to pass a last message on before it is told to end everything.
constexpr std::chrono::milliseconds kForwardingTime{200};

}  // namespace

int run_mpi_command(std::string_view name,
                    const std::function<int(const MpiRuntime& mpi, Coordinator&)>& body) {
  const MpiRuntime mpi;
  const std::unique_ptr<Coordinator> coordinator = make_mpi_coordinator(mpi.world());
  try {
    return body(mpi, *coordinator);
  } catch (const CollectiveError& error) {
    // Said before MPI is finalized: once a silent rank has left with its exit code, mpirun ends the
    // speaker too.
    const int exit_code = report_error(name, error);
    coordinator->barrier();
    return exit_code;
  } catch (const SilentError&) {
    std::this_thread::sleep_for(kForwardingTime);
    MpiRuntime::abort(kExitFailure);
  } catch (const std::exception& error) {
    if (coordinator->size() == 1) throw;
    // The others may be waiting for this rank: they must not wait for ever.
    const bool user = dynamic_cast<const UserError*>(&error) != nullptr;
    fmt::print(stderr, "longhaul {}: error: [rank {} on {}] {}\n", name, coordinator->rank(),
               coordinator->host(), error.what());
    std::this_thread::sleep_for(kForwardingTime);
    MpiRuntime::abort(user ? kExitUserError : kExitFailure);
  }
}

}  // namespace longhaul
