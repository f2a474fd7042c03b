#include "data/dataset.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "data/json_print.h"
#include "data/rejected_log.h"
#include "data/sample_split.h"
#include "data/sha256.h"

namespace longhaul {
namespace {

std::size_t index(std::int64_t value) { return static_cast<std::size_t>(value); }

/// `work()`, its complaint about the cache turned into advice.
template <typename Work>
auto reading_cache(const Work& work) {
  try {
    return work();
  } catch (const SeriesFileError& error) {
    user_error("{}; delete the file and start again: it is made anew", error.what());
  }
}

}  // namespace

Dataset::Dataset(std::unique_ptr<TokenCache> cache, const DataScan& scan,
                 std::string encoder_fingerprint, const DatasetOptions& options)
    : cache_(std::move(cache)),
      files_(scan.files),
      file_hashes_(scan.file_hashes),
      encoder_fingerprint_(std::move(encoder_fingerprint)),
      options_(options) {
  LONGHAUL_CHECK(options_.max_length >= 1, "max_length {}", options_.max_length);
  LONGHAUL_CHECK(files_.size() == options_.files.size() + options_.validation_files.size(),
                 "{} files were scanned", files_.size());
  apply_length_policy_to_all();
  const std::int64_t end = options_.validation_files.empty() ? size() : first_of_validation_files();
  std::vector<std::int64_t> candidates;
  for (std::int64_t sample = 0; sample < size(); ++sample) {
    if (length(sample) > 0) (sample < end ? candidates : validation_).push_back(sample);
  }
  if (options_.validation_files.empty()) {
    SampleSplit split = split_samples(candidates, options_.split_dataset_ratio, options_.seed);
    training_ = std::move(split.training);
    validation_ = std::move(split.validation);
  } else {
    training_ = std::move(candidates);
  }
}

std::int64_t Dataset::first_of_validation_files() const {
  const auto training_files = static_cast<std::int32_t>(options_.files.size());
  std::int64_t low = 0;  // samples are in file order
  std::int64_t high = size();
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    const bool training = reading_cache([&] { return cache_->file(middle); }) < training_files;
    (training ? low : high) = training ? middle + 1 : middle;
  }
  return low;
}

KeptPart Dataset::kept_part(std::int64_t sample) const {
  return apply_length_policy(cache_->length(sample), cache_->first_trained(sample),
                             cache_->last_trained(sample), options_.max_length,
                             options_.truncation);
}

void Dataset::apply_length_policy_to_all() {
  const RowCounts& rows = cache_->counts();
  counts_ = {.read = rows.read, .kept = 0, .cut = 0, .rejected = rows.rejected};
  lengths_.resize(index(size()));
  std::int64_t first_too_long = -1;
  std::int64_t too_long = 0;
  for (std::int64_t sample = 0; sample < size(); ++sample) {
    const KeptPart part = kept_part(sample);
    lengths_[index(sample)] = part.length;
    if (part.verdict == LengthVerdict::cut) ++counts_.cut;
    ++(part.length > 0 ? counts_.kept : counts_.rejected);
    if (part.verdict == LengthVerdict::too_long && ++too_long == 1) first_too_long = sample;
  }
  LONGHAUL_CHECK(counts_.kept + counts_.rejected == counts_.read, "{} kept + {} rejected, {} read",
                 counts_.kept, counts_.rejected, counts_.read);
  if (options_.truncation == TruncationStrategy::stop && too_long > 0) {
    const SampleSource where = source(first_too_long);
    user_error(
        "{}:{}: row \"{}\" has {} tokens, more than --max_length {}; {} of {} rows are too long. "
        "Raise --max_length, or choose --truncation_strategy delete, left or right",
        where.file, where.line, id(first_too_long), cache_->length(first_too_long),
        options_.max_length, too_long, rows.read);
  }
}

std::int64_t Dataset::count_tokens(std::span<const std::int64_t> samples) const {
  return std::accumulate(
      samples.begin(), samples.end(), std::int64_t{0},
      [this](std::int64_t sum, std::int64_t sample) { return sum + length(sample); });
}

std::int64_t Dataset::training_tokens() const { return count_tokens(training_); }
std::int64_t Dataset::validation_tokens() const { return count_tokens(validation_); }

std::vector<Pack> Dataset::training_packs() const {
  return pack_samples(training_, lengths_, options_.max_length, options_.packing);
}

std::vector<Pack> Dataset::validation_packs() const {
  return pack_samples(validation_, lengths_, options_.max_length, options_.packing);
}

std::string Dataset::id(std::int64_t sample) const {
  return reading_cache([&] { return cache_->id(sample); });
}

SampleSource Dataset::source(std::int64_t sample) const {
  return reading_cache([&]() -> SampleSource {
    return {files_.at(index(cache_->file(sample))).path.string(), cache_->line(sample)};
  });
}

void Dataset::read_sample(std::int64_t sample, std::int32_t* tokens, float* weights,
                          TokenCache::Scratch& scratch) const {
  reading_cache([&] { cache_->load(sample, tokens, weights, scratch); });
}

void Dataset::load(std::int64_t sample, EncodedSample& result) const {
  const KeptPart part = kept_part(sample);
  LONGHAUL_CHECK(part.length > 0, "sample {} is not kept", sample);
  TokenCache::Scratch scratch;
  result.tokens.resize(index(cache_->length(sample)));
  result.weights.resize(result.tokens.size());
  read_sample(sample, result.tokens.data(), result.weights.data(), scratch);
  result.tokens.erase(result.tokens.begin(), result.tokens.begin() + part.begin);
  result.weights.erase(result.weights.begin(), result.weights.begin() + part.begin);
  result.tokens.resize(index(part.length));
  result.weights.resize(index(part.length));
  result.weights[0] = 0.0F;
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
      const KeptPart part = kept_part(sample);
      LONGHAUL_CHECK(part.length > 0, "sample {} is not kept", sample);
      std::int32_t* tokens = buffer.tokens.data() + at;
      float* weights = buffer.weights.data() + at;
      read_sample(sample, tokens, weights, buffer.scratch);
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
    append_json_string(json,
                       fmt::format("{}, {} bytes, content {}", files_[i].path.filename().string(),
                                   files_[i].bytes, file_hashes_[i]));
  }
  const bool packed = options_.packing == PackingMode::first_fit_decreasing;
  // A ratio is not used beside validation files.
  const double ratio = options_.validation_files.empty() ? options_.split_dataset_ratio : 0.0;
  json += fmt::format(
      "], \"encoder\": \"{}\", \"max_length\": {}, \"truncation_strategy\": \"{}\", \"packing\": "
      "{}, "
      "\"split_dataset_ratio\": {}, \"seed\": {}, \"samples\": {}}}",
      encoder_fingerprint_, options_.max_length, name_of(options_.truncation), packed,
      python_float(ratio), options_.seed, training_.size());
  return json;
}

std::string Dataset::fingerprint() const { return sha256_hex(describe_identity()); }

std::string Dataset::describe_unkept(std::int64_t sample) const {
  const std::string_view kept =
      options_.truncation == TruncationStrategy::keep_end ? "last" : "first";
  switch (kept_part(sample).verdict) {
    case LengthVerdict::whole:
      break;
    case LengthVerdict::cut:
      return fmt::format("cut to the {} {} tokens", kept, options_.max_length);
    case LengthVerdict::too_long:
      return fmt::format("longer than max_length {}", options_.max_length);
    case LengthVerdict::loss_cut_off:
      return fmt::format("no trained tokens among the {} {}", kept, options_.max_length);
  }
  LONGHAUL_CHECK(false, "sample {} is kept whole", sample);
}

std::vector<UnkeptRow> Dataset::unkept_rows() const {
  // Rejections and samples are each in file order already: merge them.
  const auto rejections = reading_cache([&] { return cache_->rejections(); });
  const SampleOrigins origins = reading_cache([&] { return cache_->origins(); });
  const auto name_of_file = [&](std::int32_t file) { return files_.at(index(file)).path.string(); };
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
    if (length(sample) == cache_->length(sample)) continue;
    const std::int32_t file = origins.files[index(sample)];
    const std::int64_t line = origins.lines[index(sample)];
    add_rejections_before(file, line);
    rows.push_back({name_of_file(file), line, cache_->length(sample), origins.id(index(sample)),
                    describe_unkept(sample)});
  }
  add_rejections_before(static_cast<std::int32_t>(files_.size()), 0);
  return rows;
}

}  // namespace longhaul
