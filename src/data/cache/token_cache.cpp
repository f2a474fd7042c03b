#include "data/cache/token_cache.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "data/cache/token_cache_format.h"

namespace longhaul {
namespace format = token_cache_format;

struct TokenCache::SeriesNumbers {
  explicit SeriesNumbers(ColumnFile& file)
      : tokens(file.open<std::int32_t>(format::kTokens)),
        run_lengths(file.open<std::int32_t>(format::kRunLengths)),
        run_weights(file.open<float>(format::kRunWeights)),
        token_offsets(file.open<std::int64_t>(format::kTokenOffsets)),
        run_offsets(file.open<std::int64_t>(format::kRunOffsets)),
        id_offsets(file.open<std::int64_t>(format::kIdOffsets)),
        file(file.open<std::int32_t>(format::kFile)),
        line(file.open<std::int64_t>(format::kLine)),
        first_trained(file.open<std::int32_t>(format::kFirstTrained)),
        last_trained(file.open<std::int32_t>(format::kLastTrained)),
        trained_tokens(file.open<std::int32_t>(format::kTrainedTokens)),
        weight_sum(file.open<double>(format::kWeightSum)),
        checksum(file.open<std::uint32_t>(format::kChecksum)),
        ids(file.open<char>(format::kIds)),
        rejected_file(file.open<std::int32_t>(format::kRejectedFile)),
        rejected_line(file.open<std::int64_t>(format::kRejectedLine)),
        rejected_length(file.open<std::int64_t>(format::kRejectedLength)),
        rejected_id_offsets(file.open<std::int64_t>(format::kRejectedIdOffsets)),
        rejected_ids(file.open<char>(format::kRejectedIds)),
        reason_offsets(file.open<std::int64_t>(format::kReasonOffsets)),
        reasons(file.open<char>(format::kReasons)),
        noted_sample(file.open<std::int64_t>(format::kNotedSample)),
        note_offsets(file.open<std::int64_t>(format::kNoteOffsets)),
        notes(file.open<char>(format::kNotes)) {}

  std::size_t tokens, run_lengths, run_weights, token_offsets, run_offsets, id_offsets, file, line,
      first_trained, last_trained, trained_tokens, weight_sum, checksum, ids, rejected_file,
      rejected_line, rejected_length, rejected_id_offsets, rejected_ids, reason_offsets, reasons,
      noted_sample, note_offsets, notes;
};

TokenCache::TokenCache(const std::filesystem::path& file, const std::string& key)
    : path_(file), key_(key), file_(std::make_unique<ColumnFile>(file)) {
  check_header(key);
  series_ = std::make_unique<SeriesNumbers>(*file_);
  for (const std::size_t series :
       {series_->file, series_->line, series_->first_trained, series_->last_trained,
        series_->trained_tokens, series_->weight_sum, series_->checksum}) {
    if (file_->size(series) != counts_.kept) damaged("a series of samples has another length");
  }
  for (const std::size_t series :
       {series_->rejected_file, series_->rejected_line, series_->rejected_length}) {
    if (file_->size(series) != counts_.rejected)
      damaged("a series of rejections has another length");
  }
  if (file_->size(series_->run_lengths) != file_->size(series_->run_weights)) {
    damaged("run lengths and run weights differ in number");
  }
  token_offsets_ = file_->read_all<std::int64_t>(series_->token_offsets);
  check_offsets(token_offsets_, counts_.kept, file_->size(series_->tokens), "token offsets");
  run_offsets_ = file_->read_all<std::int64_t>(series_->run_offsets);
  check_offsets(run_offsets_, counts_.kept, file_->size(series_->run_lengths), "run offsets");
  checksums_ = file_->read_all<std::uint32_t>(series_->checksum);
  first_trained_ = file_->read_all<std::int32_t>(series_->first_trained);
  last_trained_ = file_->read_all<std::int32_t>(series_->last_trained);
}

TokenCache::~TokenCache() = default;

void TokenCache::damaged(const std::string& what) const {
  throw ColumnFileError(fmt::format("{}: damaged: {}", path_.string(), what));
}

void TokenCache::check_header(const std::string& key) {
  if (file_->text_attribute("format") != format::kFormat) {
    throw ColumnFileError(fmt::format("{}: is not a token cache", path_.string()));
  }
  const std::int64_t version = file_->integer_attribute("version");
  if (version != format::kVersion) {
    throw ColumnFileError(fmt::format("{}: has format version {}; this program reads {}",
                                      path_.string(), version, format::kVersion));
  }
  if (file_->text_attribute("key") != key) {
    throw ColumnFileError(fmt::format("{}: was made from other data or settings", path_.string()));
  }
  counts_ = {.read = file_->integer_attribute("rows_read"),
             .kept = file_->integer_attribute("rows_kept"),
             .rejected = file_->integer_attribute("rows_rejected")};
  if (counts_.kept < 0 || counts_.rejected < 0 || counts_.read != counts_.kept + counts_.rejected) {
    damaged(fmt::format("{} rows kept and {} rejected of {} read", counts_.kept, counts_.rejected,
                        counts_.read));
  }
}

void TokenCache::check_offsets(const std::vector<std::int64_t>& offsets, std::int64_t count,
                               std::int64_t total, const char* name) const {
  bool good = static_cast<std::int64_t>(offsets.size()) == count + 1 && offsets.front() == 0 &&
              offsets.back() == total;
  for (std::size_t i = 1; good && i < offsets.size(); ++i) good = offsets[i] >= offsets[i - 1];
  if (!good) damaged(fmt::format("the {} do not fit", name));
}

std::int32_t TokenCache::file(std::int64_t sample) const {
  std::int32_t value = 0;
  file_->read(series_->file, sample, 1, &value);
  return value;
}

std::int64_t TokenCache::line(std::int64_t sample) const {
  std::int64_t value = 0;
  file_->read(series_->line, sample, 1, &value);
  return value;
}

std::string TokenCache::id(std::int64_t sample) const {
  std::array<std::int64_t, 2> range{};
  file_->read(series_->id_offsets, sample, 2, range.data());
  if (range[0] < 0 || range[1] < range[0] || range[1] > file_->size(series_->ids)) {
    damaged("the id offsets do not fit");
  }
  std::string id(static_cast<std::size_t>(range[1] - range[0]), '\0');
  file_->read(series_->ids, range[0], range[1] - range[0], id.data());
  return id;
}

void TokenCache::load(std::int64_t sample, std::int32_t* tokens, float* weights,
                      Scratch& scratch) const {
  LONGHAUL_CHECK(sample >= 0 && sample < samples(), "sample {} of {}", sample, samples());
  const std::int64_t length = this->length(sample);
  const std::int64_t first_run = run_offsets_[at(sample)];
  const std::int64_t runs = run_offsets_[at(sample) + 1] - first_run;
  scratch.run_lengths.resize(static_cast<std::size_t>(runs));
  scratch.run_weights.resize(static_cast<std::size_t>(runs));
  file_->read(series_->tokens, token_offsets_[at(sample)], length, tokens);
  file_->read(series_->run_lengths, first_run, runs, scratch.run_lengths.data());
  file_->read(series_->run_weights, first_run, runs, scratch.run_weights.data());
  const auto bytes_of = [](std::int64_t elements) {
    return static_cast<std::size_t>(elements) * 4;
  };
  Crc32c checksum;
  checksum.update(tokens, bytes_of(length));
  checksum.update(scratch.run_lengths.data(), bytes_of(runs));
  checksum.update(scratch.run_weights.data(), bytes_of(runs));
  if (checksum.value() != checksums_[at(sample)]) {
    damaged(fmt::format("the checksum of sample {} does not match", sample));
  }
  std::int64_t position = 0;
  for (std::size_t i = 0; i < scratch.run_lengths.size(); ++i) {
    const std::int64_t run = scratch.run_lengths[i];
    if (run < 1 || run > length - position) break;  // reported below
    std::fill_n(weights + position, run, scratch.run_weights[i]);
    position += run;
  }
  if (position != length) damaged(fmt::format("the weights of sample {} do not fit", sample));
}

std::vector<CachedRejection> TokenCache::rejections() const {
  const auto files = file_->read_all<std::int32_t>(series_->rejected_file);
  const auto lines = file_->read_all<std::int64_t>(series_->rejected_line);
  const auto lengths = file_->read_all<std::int64_t>(series_->rejected_length);
  const auto id_offsets = file_->read_all<std::int64_t>(series_->rejected_id_offsets);
  const auto ids = file_->read_all<char>(series_->rejected_ids);
  const auto reason_offsets = file_->read_all<std::int64_t>(series_->reason_offsets);
  const auto reasons = file_->read_all<char>(series_->reasons);
  check_offsets(id_offsets, counts_.rejected, file_->size(series_->rejected_ids), "id offsets");
  check_offsets(reason_offsets, counts_.rejected, file_->size(series_->reasons), "reason offsets");
  const auto piece = [](const std::vector<char>& text, const std::vector<std::int64_t>& offsets,
                        std::size_t i) {
    return std::string(text.begin() + offsets[i], text.begin() + offsets[i + 1]);
  };
  std::vector<CachedRejection> rejections(files.size());
  for (std::size_t i = 0; i < rejections.size(); ++i) {
    rejections[i] = {files[i], lines[i], lengths[i], piece(ids, id_offsets, i),
                     piece(reasons, reason_offsets, i)};
  }
  return rejections;
}

std::vector<SampleNote> TokenCache::notes() const {
  const auto samples = file_->read_all<std::int64_t>(series_->noted_sample);
  const auto offsets = file_->read_all<std::int64_t>(series_->note_offsets);
  const auto texts = file_->read_all<char>(series_->notes);
  check_offsets(offsets, static_cast<std::int64_t>(samples.size()), file_->size(series_->notes),
                "note offsets");
  std::vector<SampleNote> notes(samples.size());
  for (std::size_t i = 0; i < notes.size(); ++i) {
    const bool rises = samples[i] >= 0 && (i == 0 || samples[i] > samples[i - 1]);
    if (!rises || samples[i] >= counts_.kept) damaged("the numbers of noted samples do not fit");
    notes[i] = {samples[i], {texts.begin() + offsets[i], texts.begin() + offsets[i + 1]}};
  }
  return notes;
}

SampleOrigins TokenCache::origins() const {
  SampleOrigins origins{.files = file_->read_all<std::int32_t>(series_->file),
                        .lines = file_->read_all<std::int64_t>(series_->line),
                        .id_offsets = file_->read_all<std::int64_t>(series_->id_offsets),
                        .ids = file_->read_all<char>(series_->ids)};
  check_offsets(origins.id_offsets, counts_.kept, file_->size(series_->ids), "id offsets");
  return origins;
}

SampleLosses TokenCache::losses() const {
  return {file_->read_all<std::int32_t>(series_->trained_tokens),
          file_->read_all<double>(series_->weight_sum)};
}

WeightRuns TokenCache::weight_runs(std::int64_t sample) const {
  LONGHAUL_CHECK(sample >= 0 && sample < samples(), "sample {} of {}", sample, samples());
  const std::int64_t first = run_offsets_[at(sample)];
  const std::int64_t count = run_offsets_[at(sample) + 1] - first;
  WeightRuns runs;
  runs.lengths.resize(static_cast<std::size_t>(count));
  runs.weights.resize(static_cast<std::size_t>(count));
  file_->read(series_->run_lengths, first, count, runs.lengths.data());
  file_->read(series_->run_weights, first, count, runs.weights.data());
  std::int64_t rest = length(sample);
  for (const std::int32_t run : runs.lengths) {
    if (run < 1 || run > rest) damaged(fmt::format("the weights of sample {} do not fit", sample));
    rest -= run;
  }
  return runs;
}

void TokenCache::verify_texts() const {
  static_cast<void>(origins());
  static_cast<void>(losses());
  static_cast<void>(rejections());
  static_cast<void>(notes());
}

void TokenCache::verify_samples(std::int64_t begin, std::int64_t end) const {
  Scratch scratch;
  std::vector<std::int32_t> tokens;
  std::vector<float> weights;
  for (std::int64_t sample = begin; sample < end; ++sample) {
    tokens.resize(static_cast<std::size_t>(length(sample)));
    weights.resize(tokens.size());
    load(sample, tokens.data(), weights.data(), scratch);
  }
}

}  // namespace longhaul
