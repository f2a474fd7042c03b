#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/file.h"
#include "data/cache/token_cache.h"
#include "data/cache/token_cache_format.h"
#include "data/files/cache_temporary.h"

namespace longhaul {
namespace format = token_cache_format;
namespace fs = std::filesystem;
namespace {

// Elements of a chunk: 1 MiB of tokens, so that reading a long sample touches few chunks; 16 KiB or
// less of the others, so that the cache of a small data set is small.
constexpr std::int64_t kTokenChunk = 262144;
constexpr std::int64_t kChunk = 2048;
constexpr std::int64_t kTextChunk = 16384;

}  // namespace

WeightRuns compress_weights(const std::vector<float>& weights) {
  WeightRuns runs;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float weight = i == 0 ? 0.0F : weights[i];
    if (runs.weights.empty() || runs.weights.back() != weight) {
      runs.lengths.push_back(0);
      runs.weights.push_back(weight);
    }
    ++runs.lengths.back();
  }
  return runs;
}

TrainedRange trained_range(const WeightRuns& runs) {
  TrainedRange range;
  std::int64_t end = 0;
  for (std::size_t i = 0; i < runs.lengths.size(); ++i) {
    const std::int64_t begin = end;
    end += runs.lengths[i];
    if (runs.weights[i] == 0.0F) continue;
    if (range.first < 0) range.first = begin;
    range.last = end - 1;
  }
  return range;
}

TrainedPart trained_part(const WeightRuns& runs, std::int64_t begin, std::int64_t length) {
  TrainedPart part;
  const std::int64_t from = begin + 1;
  const std::int64_t to = begin + length;
  std::int64_t run_end = 0;
  for (std::size_t i = 0; i < runs.lengths.size(); ++i) {
    const std::int64_t run_begin = run_end;
    run_end += runs.lengths[i];
    const std::int64_t count = std::min(run_end, to) - std::max(run_begin, from);
    if (count <= 0 || runs.weights[i] == 0.0F) continue;
    part.tokens += count;
    part.weight += static_cast<double>(runs.weights[i]) * static_cast<double>(count);
  }
  return part;
}

struct TokenCacheWriter::SeriesNumbers {
  explicit SeriesNumbers(ColumnFileWriter& writer)
      : tokens(writer.add(format::kTokens, SeriesType::i32, kTokenChunk)),
        run_lengths(writer.add(format::kRunLengths, SeriesType::i32, kChunk)),
        run_weights(writer.add(format::kRunWeights, SeriesType::f32, kChunk)),
        token_offsets(writer.add(format::kTokenOffsets, SeriesType::i64, kChunk)),
        run_offsets(writer.add(format::kRunOffsets, SeriesType::i64, kChunk)),
        id_offsets(writer.add(format::kIdOffsets, SeriesType::i64, kChunk)),
        file(writer.add(format::kFile, SeriesType::i32, kChunk)),
        line(writer.add(format::kLine, SeriesType::i64, kChunk)),
        first_trained(writer.add(format::kFirstTrained, SeriesType::i32, kChunk)),
        last_trained(writer.add(format::kLastTrained, SeriesType::i32, kChunk)),
        trained_tokens(writer.add(format::kTrainedTokens, SeriesType::i32, kChunk)),
        weight_sum(writer.add(format::kWeightSum, SeriesType::f64, kChunk)),
        checksum(writer.add(format::kChecksum, SeriesType::u32, kChunk)),
        ids(writer.add(format::kIds, SeriesType::u8, kTextChunk)),
        rejected_file(writer.add(format::kRejectedFile, SeriesType::i32, kChunk)),
        rejected_line(writer.add(format::kRejectedLine, SeriesType::i64, kChunk)),
        rejected_length(writer.add(format::kRejectedLength, SeriesType::i64, kChunk)),
        rejected_id_offsets(writer.add(format::kRejectedIdOffsets, SeriesType::i64, kChunk)),
        rejected_ids(writer.add(format::kRejectedIds, SeriesType::u8, kTextChunk)),
        reason_offsets(writer.add(format::kReasonOffsets, SeriesType::i64, kChunk)),
        reasons(writer.add(format::kReasons, SeriesType::u8, kTextChunk)),
        noted_sample(writer.add(format::kNotedSample, SeriesType::i64, kChunk)),
        note_offsets(writer.add(format::kNoteOffsets, SeriesType::i64, kChunk)),
        notes(writer.add(format::kNotes, SeriesType::u8, kTextChunk)) {}

  std::size_t tokens, run_lengths, run_weights, token_offsets, run_offsets, id_offsets, file, line,
      first_trained, last_trained, trained_tokens, weight_sum, checksum, ids, rejected_file,
      rejected_line, rejected_length, rejected_id_offsets, rejected_ids, reason_offsets, reasons,
      noted_sample, note_offsets, notes;
};

TokenCacheWriter::TokenCacheWriter(fs::path file, const std::string& key)
    : file_(std::move(file)), temporary_(cache_temporary(file_, "")) {
  remove_abandoned_temporaries(file_);
  writer_ = std::make_unique<ColumnFileWriter>(temporary_);
  series_ = std::make_unique<SeriesNumbers>(*writer_);
  writer_->set_attribute("format", format::kFormat);
  writer_->set_attribute("version", format::kVersion);
  writer_->set_attribute("key", key);
  for (const std::size_t offsets :
       {series_->token_offsets, series_->run_offsets, series_->id_offsets,
        series_->rejected_id_offsets, series_->reason_offsets, series_->note_offsets}) {
    writer_->append(offsets, std::int64_t{0});
  }
}

TokenCacheWriter::~TokenCacheWriter() {
  writer_.reset();
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

void TokenCacheWriter::add(const CachedSample& sample) {
  const WeightRuns& runs = sample.weights;
  LONGHAUL_CHECK(runs.lengths.size() == runs.weights.size(), "{} run lengths, {} weights",
                 runs.lengths.size(), runs.weights.size());
  const std::int64_t end =
      std::accumulate(runs.lengths.begin(), runs.lengths.end(), std::int64_t{0});
  const auto [first, last] = trained_range(runs);
  LONGHAUL_CHECK(end == static_cast<std::int64_t>(sample.tokens.size()),
                 "weights for {} of {} tokens", end, sample.tokens.size());
  LONGHAUL_CHECK(first >= 1 && end <= std::numeric_limits<std::int32_t>::max(),
                 "a sample of {} tokens without loss, or too long", end);
  Crc32c checksum;
  checksum.update(sample.tokens.data(), sample.tokens.size() * sizeof(std::int32_t));
  checksum.update(runs.lengths.data(), runs.lengths.size() * sizeof(std::int32_t));
  checksum.update(runs.weights.data(), runs.weights.size() * sizeof(float));

  tokens_ += end;
  runs_ += static_cast<std::int64_t>(runs.lengths.size());
  id_bytes_ += static_cast<std::int64_t>(sample.id.size());
  writer_->append(series_->tokens, sample.tokens.data(), sample.tokens.size());
  writer_->append(series_->run_lengths, runs.lengths.data(), runs.lengths.size());
  writer_->append(series_->run_weights, runs.weights.data(), runs.weights.size());
  writer_->append(series_->ids, sample.id.data(), sample.id.size());
  writer_->append(series_->token_offsets, tokens_);
  writer_->append(series_->run_offsets, runs_);
  writer_->append(series_->id_offsets, id_bytes_);
  writer_->append(series_->file, sample.file);
  writer_->append(series_->line, sample.line);
  writer_->append(series_->first_trained, static_cast<std::int32_t>(first));
  writer_->append(series_->last_trained, static_cast<std::int32_t>(last));
  const TrainedPart trained = trained_part(runs, 0, end);
  writer_->append(series_->trained_tokens, static_cast<std::int32_t>(trained.tokens));
  writer_->append(series_->weight_sum, trained.weight);
  writer_->append(series_->checksum, checksum.value());
  if (!sample.note.empty()) {
    note_bytes_ += static_cast<std::int64_t>(sample.note.size());
    writer_->append(series_->noted_sample, counts_.kept);
    writer_->append(series_->notes, sample.note.data(), sample.note.size());
    writer_->append(series_->note_offsets, note_bytes_);
  }
  ++counts_.read;
  ++counts_.kept;
}

void TokenCacheWriter::add(const CachedRejection& rejection) {
  rejected_id_bytes_ += static_cast<std::int64_t>(rejection.id.size());
  reason_bytes_ += static_cast<std::int64_t>(rejection.reason.size());
  writer_->append(series_->rejected_file, rejection.file);
  writer_->append(series_->rejected_line, rejection.line);
  writer_->append(series_->rejected_length, rejection.length);
  writer_->append(series_->rejected_ids, rejection.id.data(), rejection.id.size());
  writer_->append(series_->rejected_id_offsets, rejected_id_bytes_);
  writer_->append(series_->reasons, rejection.reason.data(), rejection.reason.size());
  writer_->append(series_->reason_offsets, reason_bytes_);
  ++counts_.read;
  ++counts_.rejected;
}

void TokenCacheWriter::complete() {
  writer_->set_attribute("rows_read", counts_.read);
  writer_->set_attribute("rows_kept", counts_.kept);
  writer_->set_attribute("rows_rejected", counts_.rejected);
  writer_->finish();
}

void TokenCacheWriter::finish() {
  complete();
  rename_path(temporary_, file_);
  sync_directory(file_.parent_path());
}

}  // namespace longhaul
