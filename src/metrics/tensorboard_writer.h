#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/file.h"
#include "metrics/step_metrics.h"

namespace longhaul {

/// Writes one TensorBoard event file. One writer per run, on rank 0. Each instance makes a new file
/// beside older ones in the same folder, named so that TensorBoard reads it after them; TensorBoard
/// joins them into one run. Not thread-safe. Every function throws UserError when the file system
/// refuses (disk full, no permission), naming the file.
class TensorBoardWriter {
 public:
  /// Creates `directory` when needed. resume_step: the last step whose events are kept; TensorBoard
  /// drops what older files say about later steps. 0 for a new run.
  TensorBoardWriter(const std::filesystem::path& directory, std::int64_t resume_step);
  ~TensorBoardWriter();
  TensorBoardWriter(const TensorBoardWriter&) = delete;
  TensorBoardWriter& operator=(const TensorBoardWriter&) = delete;

  /// All scalars of a step (train/, speed/, time/, memory/, data/, eval/), then flush().
  void write_step(const StepMetrics& metrics);
  /// Buffered until flush(). TensorBoard stores scalars as 32-bit floats.
  void add_scalar(std::string_view tag, double value, std::int64_t step);
  /// A text, shown as Markdown under "Text"; used for the run's configuration (tag "config").
  void add_text(std::string_view tag, std::string_view markdown, std::int64_t step);
  /// Hands everything buffered to the operating system, where readers see it.
  void flush();
  /// flush(), then waits until the file is on disk.
  void close();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void add_event(std::string_view encoded_event);

  std::filesystem::path path_;
  std::string buffer_;
  FileDescriptor file_;
};

}  // namespace longhaul
