#include "train/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace longhaul {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kRetry{50};

/// True when the lock is held, or cannot be had on this file system; false when others hold it.
bool try_lock(int fd, int kind) { return ::flock(fd, kind | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

/// Rank 0 alone: waits until no rank of another run holds a lock.
void wait_for_others(const FileDescriptor& fd, const std::filesystem::path& file, const Log& log,
                     std::chrono::seconds patience) {
  if (try_lock(fd.get(), LOCK_EX)) return;
  log.info("{}: another run still uses this directory; waiting up to {} s for it to end",
           file.string(), patience.count());
  const Clock::time_point end = Clock::now() + patience;
  while (!try_lock(fd.get(), LOCK_EX)) {
    if (Clock::now() > end) {
      user_error(
          "--save {}: is in use by another run ({}); wait for it or end it, or choose another "
          "directory",
          file.parent_path().string(), read_text_file(file));
    }
    std::this_thread::sleep_for(kRetry);
  }
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& save, Coordinator& coordinator, const Log& log,
                 std::chrono::seconds patience) {
  const std::filesystem::path file = save / "run.lock";
  coordinator.run_collectively([&] {
    if (coordinator.rank() != 0) return;
    std::error_code error;
    std::filesystem::create_directories(save, error);
    if (error) throw UserError(io_error_text(save, "cannot be created", error.value()));
    file_ = FileDescriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!file_.valid()) throw UserError(io_error_text(file, "cannot be opened", errno));
    wait_for_others(file_, file, log, patience);
    const std::string holder = fmt::format("process {} on {}", ::getpid(), coordinator.host());
    set_file_size(file_, 0, file);
    write_at(file_, 0, holder.data(), holder.size(), file);
  });
  // From here on every rank holds a share, which keeps the next run's rank 0 out.
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0) {
      ::flock(file_.get(), LOCK_SH);
    } else {
      file_ = open_to_read(file);
    }
  });
  if (coordinator.rank() != 0) ::flock(file_.get(), LOCK_SH);
}

}  // namespace longhaul
