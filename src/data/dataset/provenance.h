#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/batches/step_schedule.h"
#include "data/dataset/data_report.h"
#include "data/dataset/dataset_record.h"

namespace longhaul {

/// A sample as it is trained on.
struct TrainedRow {
  RowPlace place;
  std::int64_t tokens = 0;  // after cutting
};

/// A pack, and every step that trains on it.
struct PackContents {
  std::int64_t pack = 0;  // from 0
  std::int64_t tokens = 0;
  std::vector<TrainedRow> rows;     // in stream order
  std::vector<std::int64_t> steps;  // from 1, as train_log.jsonl counts; one an epoch
};

struct StepContents {
  std::int64_t step = 0;   // from 1
  std::int64_t epoch = 0;  // from 1
  std::vector<PackContents> packs;
};

/// What became of one row of the data files.
struct RowFate {
  RowPlace place;
  std::int64_t length = -1;  // before cutting; -1: it did not get that far
  std::int64_t kept = 0;     // tokens after cutting; 0: rejected
  SampleUse use = SampleUse::rejected;
  std::string reason;               // why it is rejected, how it was cut, or what is noted of it
  std::vector<PackContents> packs;  // that train on it: one for each copy
};

/// Which rows a run trains on when. Order is computed as training does it, from what
/// data_report.json recorded, so it holds for steps done and to come, also of a resumed run.
class Provenance {
 public:
  /// Of the run that prepared its data in `save` last. Throws UserError, see
  /// open_recorded_dataset().
  explicit Provenance(const std::filesystem::path& save);

  [[nodiscard]] std::int64_t total_steps() const { return schedule_.total_steps(); }
  [[nodiscard]] std::int64_t packs() const { return static_cast<std::int64_t>(packs_.size()); }
  [[nodiscard]] const Dataset& dataset() const { return recorded_.dataset; }

  /// All rows of this id, in file order. A row without one is called "<file name>:<line>".
  [[nodiscard]] std::vector<RowFate> find(std::string_view id) const;
  /// Throws UserError unless 1 <= step <= total_steps().
  [[nodiscard]] StepContents step(std::int64_t step) const;
  /// Throws UserError unless 0 <= pack < packs().
  [[nodiscard]] PackContents pack(std::int64_t pack) const;

 private:
  /// Without its steps.
  [[nodiscard]] PackContents contents(std::int64_t pack) const;
  void add_steps(std::span<PackContents> packs) const;
  [[nodiscard]] RowFate fate_of(std::int64_t sample) const;
  [[nodiscard]] RowPlace place_of(std::int64_t sample) const;
  void find_rejected(std::string_view id, std::vector<RowFate>& rows) const;

  RecordedDataset recorded_;
  std::vector<Pack> packs_;
  StepSchedule schedule_;
  SampleOrigins origins_;
  std::vector<SampleNote> notes_;
};

}  // namespace longhaul
