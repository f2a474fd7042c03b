#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "preflight/check_list.h"

namespace longhaul::preflight {

/// Which program a rank runs.
struct ProgramFact {
  std::string version;
  std::string build;  // build_id()
  std::string file;   // where it lies
  std::string mpi;    // "Open MPI v4.1.4"
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ProgramFact, version, build, file, mpi)

ProgramFact look_at_program();

/// One version and build everywhere; another MPI release is a warning.
Verdict judge_programs(const std::vector<Seen<ProgramFact>>& all);

}  // namespace longhaul::preflight
