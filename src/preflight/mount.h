#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace longhaul::preflight {

/// The file system that an absolute path is on, by the lines of /proc/self/mountinfo: "nfs4
/// server:/export", "tmpfs"; empty when no line fits. The mount with the longest fitting place
/// counts, of equal ones the last, which covers the others.
std::string find_mount(std::string_view mountinfo, const std::filesystem::path& path);

/// The same for this process.
std::string mount_of(const std::filesystem::path& path);

}  // namespace longhaul::preflight
