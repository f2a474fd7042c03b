#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/batches/dataset_options.h"
#include "data/batches/sample_selection.h"
#include "data/batches/work_balance.h"
#include "data/cache/token_cache.h"
#include "metrics/humanize.h"

namespace longhaul {

/// What a report is made from: the data of a run without its tokens.
struct ReportSource {
  const DatasetOptions& options;
  const SampleSelection& selection;
  SampleOrigins origins;
  SampleLosses losses;
  std::vector<CachedRejection> rejections;
  std::vector<SampleNote> notes;
  /// The weights of a sample that is cut.
  std::function<WeightRuns(std::int64_t sample)> weight_runs;
};

/// Samples that are used, copies counted.
struct UsedSamples {
  std::int64_t samples = 0;
  std::int64_t tokens = 0;
  std::int64_t trained_tokens = 0;  // with a weight other than 0
  double weight_sum = 0.0;

  /// Of the tokens; 0 without any.
  [[nodiscard]] double trained_share() const {
    return tokens == 0 ? 0.0 : static_cast<double>(trained_tokens) / static_cast<double>(tokens);
  }
};

/// What became of the rows of one file, or of all.
struct FileReport {
  std::string file;  // as given, with its #N
  bool validation = false;
  DatasetCounts rows;
  UsedSamples used;  // for training and validation
};

/// A row and where it stands.
struct RowPlace {
  std::string file;
  std::int64_t line = 0;
  std::string id;
};

/// Rows with from .. to tokens before cutting.
struct LengthBin {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t rows = 0;
  std::int64_t tokens = 0;
};

struct LongestRow {
  RowPlace place;
  std::int64_t length = 0;  // before cutting
  SampleUse use = SampleUse::rejected;
};

/// Two rows of one id.
struct DuplicateId {
  std::string id;
  RowPlace first;
  RowPlace again;
};

struct PackReport {
  std::int64_t training = 0;  // packs
  std::int64_t validation = 0;
  std::int64_t most_samples = 0;  // of a training pack
  double unfilled_share = 0.0;    // of the training packs' room for max_length tokens each
  double worst_cost = 1.0;        // the costliest training pack's over the mean (length_cost())
};

/// Steps of the run's layout, and how evenly others would share its work.
struct StepReport {
  std::int64_t per_epoch = 0;
  std::int64_t total = 0;
  EpochBalance balance;
  std::vector<std::pair<int, Imbalance>> data_parallel;     // by number of ranks
  std::vector<std::pair<int, Imbalance>> context_parallel;  // by number of ranks
};

/// The account of every row, and of what an epoch makes of them.
struct DataReport {
  std::vector<FileReport> files;
  FileReport total;
  std::map<std::string, std::int64_t> rejected;  // reason -> rows
  std::map<std::string, std::int64_t> cut;
  /// What there is to know of rows that are kept whole.
  std::map<std::string, std::int64_t> noted;
  UsedSamples training;
  UsedSamples validation;
  bool weighted = false;           // some weight is neither 0 nor 1
  std::vector<LengthBin> lengths;  // powers of two, without empty ones at the ends
  std::optional<LongestRow> longest;
  PackReport packs;
  StepReport steps;
  std::int64_t duplicate_ids = 0;       // rows with the id of an earlier row
  std::vector<DuplicateId> duplicates;  // the first few
  std::int64_t max_length = 0;
  RunPlan run;
  PackingMode packing = PackingMode::first_fit_decreasing;
};

DataReport make_data_report(const ReportSource& source);

/// The content of data_report.json (docs/data.md). `dataset_record` is a JSON text, the key
/// "order"; empty: left out.
std::string data_report_json(const DataReport& report, const std::string& dataset_record);

/// What the console shows: lines of up to about 100 columns, each with its end.
std::string data_report_table(const DataReport& report, Charset charset);

}  // namespace longhaul
