#include "data/dataset/streamed_report.h"

#include <unordered_map>

#include "core/error.h"

namespace longhaul {
namespace {

/// What a token cache would tell of the samples, without their tokens.
class SampleTable {
 public:
  SampleTable(const DatasetOptions& options, std::size_t files)
      : options_(options), file_begins_(files + 1, 0) {
    origins_.id_offsets.push_back(0);
  }

  void add(const CachedSample& sample) {
    const auto length = static_cast<std::int64_t>(sample.tokens.size());
    const TrainedRange range = trained_range(sample.weights);
    token_offsets_.push_back(token_offsets_.back() + length);
    first_trained_.push_back(static_cast<std::int32_t>(range.first));
    last_trained_.push_back(static_cast<std::int32_t>(range.last));
    const TrainedPart trained = trained_part(sample.weights, 0, length);
    losses_.trained_tokens.push_back(static_cast<std::int32_t>(trained.tokens));
    losses_.weight_sum.push_back(trained.weight);
    const auto number = static_cast<std::int64_t>(first_trained_.size()) - 1;
    if (!sample.note.empty()) notes_.push_back({number, sample.note});
    const bool cut =
        length > options_.max_length && (options_.truncation == TruncationStrategy::keep_end ||
                                         options_.truncation == TruncationStrategy::keep_begin);
    if (cut) cut_weights_.emplace(number, sample.weights);
    origins_.files.push_back(sample.file);
    origins_.lines.push_back(sample.line);
    origins_.ids.insert(origins_.ids.end(), sample.id.begin(), sample.id.end());
    origins_.id_offsets.push_back(static_cast<std::int64_t>(origins_.ids.size()));
    for (auto file = static_cast<std::size_t>(sample.file) + 1; file < file_begins_.size();
         ++file) {
      file_begins_[file] = number + 1;
    }
  }
  void add(const CachedRejection& rejection) { rejections_.push_back(rejection); }

  DataReport report() {
    const auto samples = static_cast<std::int64_t>(first_trained_.size());
    const auto rejected = static_cast<std::int64_t>(rejections_.size());
    const SampleSelection selection(
        {token_offsets_, first_trained_, last_trained_, file_begins_},
        {.read = samples + rejected, .kept = samples, .rejected = rejected}, options_);
    return make_data_report(
        {.options = options_,
         .selection = selection,
         .origins = std::move(origins_),
         .losses = std::move(losses_),
         .rejections = std::move(rejections_),
         .notes = std::move(notes_),
         .weight_runs = [this](std::int64_t sample) { return cut_weights_.at(sample); }});
  }

 private:
  const DatasetOptions& options_;
  std::vector<std::int64_t> token_offsets_ = {0};
  std::vector<std::int32_t> first_trained_;
  std::vector<std::int32_t> last_trained_;
  std::vector<std::int64_t> file_begins_;
  SampleOrigins origins_;
  SampleLosses losses_;
  std::vector<CachedRejection> rejections_;
  std::vector<SampleNote> notes_;
  std::unordered_map<std::int64_t, WeightRuns> cut_weights_;  // of the samples that are cut
};

}  // namespace

DataReport stream_data_report(Coordinator& coordinator, const DatasetOptions& options,
                              const SampleEncoder& encoder, const Log& log) {
  const std::vector<std::filesystem::path> paths = data_paths(options);
  const int threads = tokenizing_threads(coordinator, options);
  const DataScan scan = scan_data_files(coordinator, paths, options.block_bytes, threads);
  SampleTable table(options, paths.size());
  const std::filesystem::path beside = std::filesystem::temp_directory_path() / "longhaul_stats";
  encode_rows(coordinator, scan, encoder, beside,
              {.threads = threads, .rejections = options.rejections}, log,
              [&](const RowBatch& batch) {
                for (const CachedSample& sample : batch.samples) table.add(sample);
                for (const CachedRejection& rejection : batch.rejections) table.add(rejection);
              });
  DataReport report;
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0) report = table.report();
  });
  return report;
}

}  // namespace longhaul
