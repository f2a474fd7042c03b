#pragma once

#include <string>

#include "data/check/data_check.h"

namespace longhaul {

/// The result of a check for reading. Text from the data cannot disturb a terminal.
std::string check_text(const DataCheck& check);

}  // namespace longhaul
