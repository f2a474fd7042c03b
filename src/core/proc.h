#pragma once

#include <cstddef>

namespace longhaul {

/// The value in bytes of a "Name:   123 kB" line of a /proc file; 0 when there is none.
std::size_t proc_bytes(const char* path, const char* name);

/// Host memory that programs can still take without swapping, in bytes; 0 when unknown.
std::size_t available_host_memory();

}  // namespace longhaul
