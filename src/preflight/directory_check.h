#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "comm/coordinator.h"
#include "preflight/check_list.h"

namespace longhaul::preflight {

/// What a rank learnt of a directory that all ranks write into.
struct DirectoryFact {
  std::string mount;            // the file system that it is on here: "nfs4 server:/export"
  std::string cannot_write;     // why this rank cannot; empty: it can
  bool exists = false;          // here
  bool sees_rank_0 = false;     // what rank 0 has written
  bool seen_by_rank_0 = false;  // known to rank 0 alone, of every rank
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DirectoryFact, mount, cannot_write, exists, sees_rank_0,
                                   seen_by_rank_0)

/// Finds out whether all ranks write into one and the same directory: rank 0 makes it and leaves a
/// file, everyone looks for that and leaves one, rank 0 looks for all of these. All files are
/// removed again, and with this object the folders that had to be made, as far as they are empty.
class DirectoryProbe {
 public:
  /// patience: how long a file may take to appear. Network file systems remember for a while what a
  /// folder holds.
  DirectoryProbe(Coordinator& coordinator, std::filesystem::path directory,
                 std::chrono::milliseconds patience);
  ~DirectoryProbe();
  DirectoryProbe(const DirectoryProbe&) = delete;
  DirectoryProbe& operator=(const DirectoryProbe&) = delete;

  /// Collective. Facts of all ranks on rank 0; elsewhere the rank's own in its place.
  std::vector<DirectoryFact> look();

  /// The run goes on: the folders stay.
  void keep_folders() { made_.clear(); }

 private:
  [[nodiscard]] std::filesystem::path file_of(int rank) const;
  void make_folders();
  void write_own(DirectoryFact& fact) const;
  [[nodiscard]] bool appears(int rank, std::chrono::steady_clock::time_point deadline) const;

  Coordinator& coordinator_;
  std::filesystem::path directory_;
  std::chrono::milliseconds patience_;
  std::string id_;
  std::vector<std::filesystem::path> made_;  // rank 0: outermost first
};

/// name: flag and path, "--save run".
Verdict judge_directory(const std::vector<Seen<DirectoryFact>>& all, const std::string& name);

}  // namespace longhaul::preflight
