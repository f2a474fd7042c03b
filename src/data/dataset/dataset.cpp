#include "data/dataset/dataset.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/sha256.h"
#include "data/cache/rejected_log.h"
#include "data/json/json_print.h"

namespace longhaul {
namespace {

std::size_t index(std::int64_t value) { return static_cast<std::size_t>(value); }

/// `work()`, its complaint about the cache turned into advice.
template <typename Work>
auto reading_cache(const Work& work) {
  try {
    return work();
  } catch (const ColumnFileError& error) {
    user_error("{}; delete the file and start again: it is made anew", error.what());
  }
}

/// The first sample of `file` or a later one.
std::int64_t first_of_file(const TokenCache& cache, std::int32_t file) {
  std::int64_t low = 0;  // samples are in file order
  std::int64_t high = cache.samples();
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    const bool before = cache.file(middle) < file;
    (before ? low : high) = before ? middle + 1 : middle;
  }
  return low;
}

SampleExtents extents_of(const TokenCache& cache, std::size_t files) {
  SampleExtents extents{.token_offsets = cache.token_offsets(),
                        .first_trained = cache.first_trained(),
                        .last_trained = cache.last_trained(),
                        .file_begins = {}};
  for (std::size_t file = 0; file <= files; ++file) {
    extents.file_begins.push_back(first_of_file(cache, static_cast<std::int32_t>(file)));
  }
  return extents;
}

}  // namespace

Dataset::Dataset(std::unique_ptr<TokenCache> cache, const DataScan& scan,
                 std::string encoder_fingerprint, const DatasetOptions& options)
    : cache_(std::move(cache)),
      files_(scan.files),
      file_hashes_(scan.file_hashes),
      encoder_fingerprint_(std::move(encoder_fingerprint)),
      options_(options),
      selection_(reading_cache([&] { return extents_of(*cache_, files_.size()); }),
                 cache_->counts(), options_) {
  if (options_.truncation == TruncationStrategy::stop && selection_.too_long() > 0) {
    const std::int64_t first = selection_.first_too_long();
    const SampleSource where = source(first);
    user_error(
        "{}:{}: row \"{}\" has {} tokens, more than --max_length {}; {} of {} rows are too long. "
        "Raise --max_length, or choose --truncation_strategy delete, left or right",
        where.file, where.line, id(first), cache_->length(first), options_.max_length,
        selection_.too_long(), counts().read);
  }
}

std::int64_t Dataset::count_tokens(std::span<const std::int64_t> samples) const {
  return std::accumulate(
      samples.begin(), samples.end(), std::int64_t{0},
      [this](std::int64_t sum, std::int64_t sample) { return sum + length(sample); });
}

std::int64_t Dataset::training_tokens() const { return count_tokens(training()); }
std::int64_t Dataset::validation_tokens() const { return count_tokens(validation()); }

SampleOrigins Dataset::origins() const {
  return reading_cache([&] { return cache_->origins(); });
}

std::vector<SampleNote> Dataset::notes() const {
  return reading_cache([&] { return cache_->notes(); });
}

std::string Dataset::id(std::int64_t sample) const {
  return reading_cache([&] { return cache_->id(sample); });
}

SampleSource Dataset::source(std::int64_t sample) const {
  return reading_cache([&]() -> SampleSource {
    return {files_.at(index(cache_->file(sample))).path.string(), cache_->line(sample)};
  });
}

void Dataset::load_packs(std::span<const Pack> packs, std::span<const std::int64_t> numbers,
                         DocumentBuffer& buffer) const {
  std::int64_t total = 0;  // before cutting
  for (const std::int64_t number : numbers) {
    for (const std::int64_t sample : packs[index(number)].samples) total += cache_->length(sample);
  }
  buffer.documents.clear();
  buffer.tokens.resize(index(total));
  buffer.weights.resize(index(total));
  std::int64_t at = 0;
  for (const std::int64_t number : numbers) {
    for (const std::int64_t sample : packs[index(number)].samples) {
      const KeptPart part = selection_.kept_part(sample);
      LONGHAUL_CHECK(part.length > 0, "sample {} is not kept", sample);
      std::int32_t* tokens = buffer.tokens.data() + at;
      float* weights = buffer.weights.data() + at;
      reading_cache([&] { cache_->load(sample, tokens, weights, buffer.scratch); });
      weights[part.begin] = 0.0F;
      buffer.documents.push_back({tokens + part.begin, weights + part.begin, part.length});
      at += cache_->length(sample);
    }
  }
}

std::string Dataset::describe_identity() const {
  std::string json = "{\"files\": [";
  for (std::size_t i = 0; i < options_.files.size(); ++i) {
    if (i > 0) json += ", ";
    const auto& draw = options_.files[i].draw;
    append_json_string(json,
                       fmt::format("{}, {} bytes, content {}{}", files_[i].path.filename().string(),
                                   files_[i].bytes, file_hashes_[i],
                                   draw ? fmt::format(", {} rows drawn", *draw) : std::string()));
  }
  const std::string packing = options_.packing == PackingMode::balanced
                                  ? "\"balanced\""
                                  : std::string(name_of(options_.packing));
  // A ratio is not used beside validation files.
  const double ratio = options_.validation_files.empty() ? options_.split_dataset_ratio : 0.0;
  json += fmt::format(
      "], \"encoder\": \"{}\", \"max_length\": {}, \"truncation_strategy\": \"{}\", \"packing\": "
      "{}, "
      "\"split_dataset_ratio\": {}, \"seed\": {}, \"samples\": {}}}",
      encoder_fingerprint_, options_.max_length, name_of(options_.truncation), packing,
      python_float(ratio), options_.seed, training().size());
  return json;
}

std::string Dataset::fingerprint() const { return sha256_hex(describe_identity()); }

DataReport Dataset::report() const {
  return reading_cache([&] {
    return make_data_report(
        {.options = options_,
         .selection = selection_,
         .origins = cache_->origins(),
         .losses = cache_->losses(),
         .rejections = cache_->rejections(),
         .notes = cache_->notes(),
         .weight_runs = [this](std::int64_t sample) { return cache_->weight_runs(sample); }});
  });
}

std::vector<UnkeptRow> Dataset::unkept_rows() const {
  // Rejections and samples are each in file order already: merge them.
  const auto rejections = reading_cache([&] { return cache_->rejections(); });
  const SampleOrigins origins = this->origins();
  const auto name_of_file = [&](std::int32_t file) { return files_.at(index(file)).path.string(); };
  const std::vector<SampleNote> notes = this->notes();
  auto note = notes.begin();
  auto rejection = rejections.begin();
  std::vector<UnkeptRow> rows;
  const auto add_rejections_before = [&](std::int32_t file, std::int64_t line) {
    for (; rejection != rejections.end() &&
           std::pair(rejection->file, rejection->line) < std::pair(file, line);
         ++rejection) {
      rows.push_back({name_of_file(rejection->file), rejection->line, rejection->length,
                      rejection->id, rejection->reason});
    }
  };
  for (std::int64_t sample = 0; sample < size(); ++sample) {
    const bool noted = note != notes.end() && note->sample == sample;
    const std::string note_text = noted ? (note++)->text : std::string();
    const bool whole = length(sample) == cache_->length(sample);
    if (whole && !noted) continue;
    const std::int32_t file = origins.files[index(sample)];
    const std::int64_t line = origins.lines[index(sample)];
    add_rejections_before(file, line);
    rows.push_back({name_of_file(file), line, cache_->length(sample), origins.id(index(sample)),
                    whole ? note_text : selection_.describe_unkept(sample)});
  }
  add_rejections_before(static_cast<std::int32_t>(files_.size()), 0);
  return rows;
}

}  // namespace longhaul
