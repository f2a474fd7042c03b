#pragma once

#include "comm/communicators.h"
#include "comm/process_grid.h"

namespace longhaul {

/// Groups that know their sizes and cannot communicate: for planning the memory of a layout that
/// is not running. Every collective throws InternalError.
Communicators make_planning_communicators(const ProcessGrid& grid);

}  // namespace longhaul
