#pragma once

#include <string>

namespace longhaul {

/// The name that this host has for itself; "localhost" when the system does not tell.
std::string host_name();

}  // namespace longhaul
