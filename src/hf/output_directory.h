#pragma once

#include <cstdint>
#include <filesystem>

namespace longhaul {

enum class Overwrite : std::uint8_t { no, yes };

/// A model directory that appears complete or not at all: files are written into staging(), a
/// folder inside it, and publish() moves them to their places. Without publish(), the destructor
/// removes the staging folder and every folder that the constructor made.
class OutputDirectory {
 public:
  /// Throws UserError when the path is no directory, not writable, or not empty and overwrite is
  /// no. What a killed run has left behind does not count and is removed. flag: for messages.
  OutputDirectory(std::filesystem::path path, Overwrite overwrite, const char* flag = "--output");
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const std::filesystem::path& staging() const { return staging_; }

  /// Moves the files over, config.json last, so that a directory with a config.json is a whole
  /// model. Safetensors files and their index from an earlier model are removed first; other files
  /// stay. Throws UserError when the system refuses.
  void publish();

 private:
  std::filesystem::path path_;
  std::filesystem::path staging_;
  std::filesystem::path first_created_;  // the topmost folder that was not there; empty: none
  bool published_ = false;
};

}  // namespace longhaul
