#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "comm/progress.h"
#include "core/fixed_text.h"

namespace longhaul {

enum class FailureKind : std::uint8_t {
  timeout,    // a wait that was too long
  lost,       // a rank whose process has ended without a word
  signal,     // a crash
  exception,  // an error on one rank, or on all
  nonfinite,  // too many steps in a row without a finite loss
  nccl,       // an error that NCCL reported
};
const char* name_of(FailureKind kind);

struct RankOnHost {
  int rank = 0;
  std::string_view host;
};

/// Why a run ended. Texts are only referred to.
struct FailureRecord {
  FailureKind kind = FailureKind::exception;
  int rank = 0;
  std::string_view host;
  std::int64_t pid = 0;
  ProgressReport progress;  // of that rank; its collective is told when the rank was waiting in one
  double waited_seconds = 0.0;
  std::span<const RankOnHost> missing;  // ranks that did not come to the collective
  int signal = 0;                       // 0: none
  std::string_view message;
  std::string_view remedy;
};

enum class Publication : std::uint8_t {
  done,
  another_was_first,  // a record is there already, or another thread of this process is writing one
  failed,             // the file cannot be written
};

/// <save>/failure.json: what a launcher tells the user, and what a person looks at first. One JSON
/// object, documented in docs/launching.md. When several ranks fail at once, the first one's record
/// stays.
class FailureFile {
 public:
  FailureFile(const std::filesystem::path& save, int rank, std::string host);

  /// A record of an earlier run becomes failure.previous.json. For rank 0 of a run that begins.
  void set_former_aside() const;

  /// Writes the record under another name and puts it in place, unless there is one. May be called
  /// by any thread and in a signal handler.
  Publication publish(const FailureRecord& record) noexcept;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] const std::string& host() const { return host_; }

 private:
  std::filesystem::path path_;
  std::string temporary_;
  int rank_;
  std::string host_;
  std::atomic_flag busy_;
  FixedText text_;  // guarded by busy_
};

/// The object's text and a line's end.
void write_json(const FailureRecord& record, FixedText& text);

}  // namespace longhaul
