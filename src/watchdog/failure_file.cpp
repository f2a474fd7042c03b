#include "watchdog/failure_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "core/version.h"

namespace longhaul {
namespace {

// Together they fit a FixedText.
constexpr std::size_t kLongestText = 8192;
constexpr std::size_t kLongestHost = 64;
constexpr std::size_t kMostMissing = 128;
constexpr mode_t kFileMode = 0666;

void write_key(FixedText& text, std::string_view key) {
  text.append(", \"");
  text.append(key);
  text.append("\": ");
}

bool write_whole(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// Gives the file its name unless that is taken.
Publication put_in_place(const char* temporary, const char* path) {
  if (::link(temporary, path) == 0) return Publication::done;
  if (errno == EEXIST) return Publication::another_was_first;
  // A file system without hard links: an empty file is the claim.
  const int claim = ::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode);
  if (claim < 0) return errno == EEXIST ? Publication::another_was_first : Publication::failed;
  ::close(claim);
  return ::rename(temporary, path) == 0 ? Publication::done : Publication::failed;
}

}  // namespace

const char* name_of(FailureKind kind) {
  switch (kind) {
    case FailureKind::timeout:
      return "timeout";
    case FailureKind::lost:
      return "lost";
    case FailureKind::signal:
      return "signal";
    case FailureKind::exception:
      return "exception";
    case FailureKind::nonfinite:
      return "nonfinite";
    case FailureKind::nccl:
      return "nccl";
  }
  return "";
}

void write_json(const FailureRecord& record, FixedText& text) {
  text.append("{\"time\": ");
  text.append(static_cast<std::int64_t>(::time(nullptr)));
  write_key(text, "version");
  text.append_json(kVersion);
  write_key(text, "kind");
  text.append_json(name_of(record.kind));
  write_key(text, "rank");
  text.append(record.rank);
  write_key(text, "host");
  text.append_json(record.host, kLongestHost);
  write_key(text, "pid");
  text.append(record.pid);
  const ProgressReport& progress = record.progress;
  write_key(text, "step");
  text.append(progress.step);
  write_key(text, "phase");
  text.append_json(progress.phase.data());
  if (progress.waiting) {
    write_key(text, "collective");
    text.append_json(progress.label.data());
    write_key(text, "group");
    text.append_json(name_of(progress.group));
    write_key(text, "bytes");
    text.append(progress.bytes);
    write_key(text, "waited_seconds");
    text.append_tenths(record.waited_seconds);
  }
  if (record.kind == FailureKind::timeout || !record.missing.empty()) {
    write_key(text, "missing_ranks");
    text.append("[");
    for (std::size_t i = 0; i < record.missing.size() && i < kMostMissing; ++i) {
      text.append(i == 0 ? "{\"rank\": " : ", {\"rank\": ");
      text.append(record.missing[i].rank);
      write_key(text, "host");
      text.append_json(record.missing[i].host, kLongestHost);
      text.append("}");
    }
    text.append("]");
  }
  if (record.signal != 0) {
    write_key(text, "signal");
    text.append(record.signal);
  }
  write_key(text, "message");
  text.append_json(record.message, kLongestText);
  write_key(text, "remedy");
  text.append_json(record.remedy, kLongestText);
  text.append("}\n");
}

FailureFile::FailureFile(const std::filesystem::path& save, int rank, std::string host)
    : path_(std::filesystem::absolute(save) / "failure.json"),
      temporary_(
          (path_.parent_path() / fmt::format(".failure.{}.{}.tmp", rank, ::getpid())).string()),
      rank_(rank),
      host_(std::move(host)) {}

void FailureFile::set_former_aside() const {
  std::error_code none;
  std::filesystem::rename(path_, path_.parent_path() / "failure.previous.json", none);
}

Publication FailureFile::publish(const FailureRecord& record) noexcept {
  if (busy_.test_and_set()) return Publication::another_was_first;
  text_.clear();
  write_json(record, text_);
  Publication result = Publication::failed;
  const int file = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode);
  if (file >= 0) {
    const bool written = write_whole(file, text_.view());
    if (::close(file) == 0 && written) result = put_in_place(temporary_.c_str(), path_.c_str());
    ::unlink(temporary_.c_str());
  }
  busy_.clear();
  return result;
}

}  // namespace longhaul
