#include "data/files/input_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace longhaul {

InputFile::InputFile(const std::filesystem::path& path)
    : path_(path), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (fd_ < 0) {
    user_error("{}: cannot be opened ({}); check the path and its permissions", path.string(),
               std::strerror(errno));
  }
}

InputFile::~InputFile() { close(fd_); }

void InputFile::read(std::int64_t offset, std::int64_t bytes, std::string& text) const {
  const std::size_t before = text.size();
  text.resize(before + static_cast<std::size_t>(bytes));
  char* at = text.data() + before;
  while (bytes > 0) {
    const ssize_t got = pread(fd_, at, static_cast<std::size_t>(bytes), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      user_error("{}: reading failed at byte {}: {}", path_.string(), offset, std::strerror(errno));
    }
    if (got == 0) {
      user_error(
          "{}: ended at byte {} while it was being read; do not change data files during "
          "a start",
          path_.string(), offset);
    }
    at += got;
    offset += got;
    bytes -= got;
  }
}

}  // namespace longhaul
