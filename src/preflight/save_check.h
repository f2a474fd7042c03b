#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "comm/coordinator.h"
#include "preflight/check_list.h"

namespace longhaul::preflight {

/// What a rank learnt of the save directory.
struct SaveFact {
  std::string mount;            // the file system that it is on here: "nfs4 server:/export"
  std::string cannot_write;     // why this rank cannot; empty: it can
  bool exists = false;          // here
  bool sees_rank_0 = false;     // what rank 0 has written
  bool seen_by_rank_0 = false;  // known to rank 0 alone, of every rank
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SaveFact, mount, cannot_write, exists, sees_rank_0,
                                   seen_by_rank_0)

/// Finds out whether all ranks write into one and the same directory: rank 0 makes it and leaves a
/// file, everyone looks for that and leaves one, rank 0 looks for all of these. All files are
/// removed again.
class SaveProbe {
 public:
  /// patience: how long a file may take to appear. Network file systems remember for a while what a
  /// folder holds.
  SaveProbe(Coordinator& coordinator, std::filesystem::path save,
            std::chrono::milliseconds patience);

  /// Collective. Facts of all ranks on rank 0; elsewhere the rank's own in its place.
  std::vector<SaveFact> look();

  /// On rank 0: removes the folders that look() had to make, as far as they are empty.
  void remove_made_folders() const;

 private:
  [[nodiscard]] std::filesystem::path file_of(int rank) const;
  void make_folders();
  void write_own(SaveFact& fact) const;
  [[nodiscard]] bool appears(int rank, std::chrono::steady_clock::time_point deadline) const;

  Coordinator& coordinator_;
  std::filesystem::path save_;
  std::chrono::milliseconds patience_;
  std::string id_;
  std::vector<std::filesystem::path> made_;  // rank 0: outermost first
};

/// `save`: as the user gave it.
Verdict judge_save(const std::vector<Seen<SaveFact>>& all, const std::string& save);

}  // namespace longhaul::preflight
