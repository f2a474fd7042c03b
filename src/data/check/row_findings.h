#pragma once

#include <string>
#include <vector>

#include "data/rows/row.h"

namespace longhaul {

/// Something in an accepted row that is legal but is seldom meant.
struct RowFinding {
  std::string kind;    // the same words for every row it is found in
  std::string detail;  // where in the row; may be empty
};

/// What looks like a mistake in a training row: each kind at most once, at its first place. The
/// kinds are listed in docs/data.md.
std::vector<RowFinding> find_suspicious(const Row& row);

}  // namespace longhaul
