#include "preflight/program_check.h"

#include <mpi.h>

#include <array>
#include <filesystem>

#include "core/version.h"
#include "preflight/build_id.h"
#include "preflight/majority.h"

namespace longhaul::preflight {
namespace {

constexpr std::size_t kShownBuildDigits = 12;

std::string mpi_release() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string all(text.data());
  return all.substr(0, all.find_first_of(",\n"));
}

std::string describe(const ProgramFact& program) {
  return fmt::format("longhaul {}, build {}", program.version,
                     program.build.substr(0, kShownBuildDigits));
}

}  // namespace

ProgramFact look_at_program() {
  std::error_code none;
  return {kVersion, build_id(), std::filesystem::read_symlink("/proc/self/exe", none).string(),
          mpi_release()};
}

Verdict judge_programs(const std::vector<Seen<ProgramFact>>& all) {
  Verdict verdict;
  const auto& usual =
      of_the_majority(all, [](const auto& one) { return one.fact.version + one.fact.build; });
  const auto& usual_mpi = of_the_majority(all, [](const auto& one) { return one.fact.mpi; });
  for (const auto& one : all) {
    const ProgramFact& program = one.fact;
    if (program.version != usual.fact.version || program.build != usual.fact.build) {
      verdict.fail(one,
                   fmt::format("{} is {}, but rank {} on {} runs {}", program.file,
                               describe(program), usual.rank, usual.host, describe(usual.fact)),
                   "install the same build on every host, or start it from a file system that all "
                   "hosts share");
    } else if (program.mpi != usual_mpi.fact.mpi) {
      verdict.warn(one,
                   fmt::format("runs with {}, rank {} on {} with {}", program.mpi, usual_mpi.rank,
                               usual_mpi.host, usual_mpi.fact.mpi),
                   "install the same release of Open MPI on every host");
    }
  }
  verdict.summary = fmt::format("{}, {}", describe(usual.fact), usual_mpi.fact.mpi);
  return verdict;
}

}  // namespace longhaul::preflight
