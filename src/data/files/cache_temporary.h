#pragma once

#include <filesystem>
#include <string_view>

namespace longhaul {

/// A name beside the token cache `cache_file` for something that is needed while it is made:
/// <cache_file>.<host>-<process><part>.tmp.
std::filesystem::path cache_temporary(const std::filesystem::path& cache_file,
                                      std::string_view part);

/// Removes the temporary files of this cache that killed processes left: nobody has written to them
/// for an hour.
void remove_abandoned_temporaries(const std::filesystem::path& cache_file);

}  // namespace longhaul
