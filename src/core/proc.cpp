#include "core/proc.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace longhaul {

std::size_t proc_bytes(const char* path, const char* name) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "re"), std::fclose);
  if (!file) return 0;
  const std::size_t length = std::strlen(name);
  char line[256];
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    if (std::strncmp(line, name, length) == 0 && line[length] == ':') {
      return static_cast<std::size_t>(std::strtoull(line + length + 1, nullptr, 10)) * 1024;
    }
  }
  return 0;
}

std::size_t available_host_memory() { return proc_bytes("/proc/meminfo", "MemAvailable"); }

}  // namespace longhaul
