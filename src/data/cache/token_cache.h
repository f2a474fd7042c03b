#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/cache/column_file.h"
#include "data/template/row_encoder.h"

namespace longhaul {

/// Runs of equal loss weights: weights change only where a turn begins or ends, so a sample of tens
/// of thousands of tokens has some dozens of runs.
struct WeightRuns {
  std::vector<std::int32_t> lengths;  // their sum is the number of tokens
  std::vector<float> weights;         // [lengths]
};

/// `weights` with weights[0] taken as 0, because nothing predicts the first token.
WeightRuns compress_weights(const std::vector<float>& weights);

/// Index of the first and last token with a weight other than 0; -1 without one.
struct TrainedRange {
  std::int64_t first = -1;
  std::int64_t last = -1;
};
TrainedRange trained_range(const WeightRuns& runs);

/// How much of a piece of a sample is trained on.
struct TrainedPart {
  std::int64_t tokens = 0;  // with a weight other than 0
  double weight = 0.0;      // the sum of the weights
};

/// Of tokens begin .. begin + length - 1, of which the first carries none: nothing predicts it.
TrainedPart trained_part(const WeightRuns& runs, std::int64_t begin, std::int64_t length);

/// One row that became a sample.
struct CachedSample {
  std::int32_t file = 0;  // index of the data file
  std::int64_t line = 0;  // from 1
  std::string id;
  std::vector<std::int32_t> tokens;
  WeightRuns weights;
  std::string note;  // what a user should know of it; mostly empty
};

/// A sample with a note.
struct SampleNote {
  std::int64_t sample = 0;
  std::string text;
};

/// One row that did not.
struct CachedRejection {
  std::int32_t file = 0;
  std::int64_t line = 0;
  std::int64_t length = -1;  // in tokens; -1 when it did not get that far
  std::string id;
  std::string reason;
};

/// Where all samples come from, in memory.
struct SampleOrigins {
  std::vector<std::int32_t> files;       // [samples]
  std::vector<std::int64_t> lines;       // [samples]
  std::vector<std::int64_t> id_offsets;  // [samples + 1]
  std::vector<char> ids;                 // end to end

  [[nodiscard]] std::string id(std::size_t sample) const {
    return {ids.begin() + id_offsets[sample], ids.begin() + id_offsets[sample + 1]};
  }
};

/// How much of each whole sample is trained on.
struct SampleLosses {
  std::vector<std::int32_t> trained_tokens;  // [samples]
  std::vector<double> weight_sum;            // [samples]
};

/// How many rows a cache comes from; read = kept + rejected.
struct RowCounts {
  std::int64_t read = 0;
  std::int64_t kept = 0;
  std::int64_t rejected = 0;
};

/// Writes a token cache (docs/data.md, "Token cache") to a temporary name beside its own and
/// renames it when it is complete. Memory: a few MiB. Throws UserError when writing fails.
class TokenCacheWriter {
 public:
  /// The folder must exist. Removes the temporary files that killed writers of this cache left.
  TokenCacheWriter(std::filesystem::path file, const std::string& key);
  /// Removes the temporary file when finish() did not get through.
  ~TokenCacheWriter();
  TokenCacheWriter(const TokenCacheWriter&) = delete;
  TokenCacheWriter& operator=(const TokenCacheWriter&) = delete;

  // Rows of either kind in file order.
  void add(const CachedSample& sample);
  void add(const CachedRejection& rejection);

  /// The counts so far.
  [[nodiscard]] const RowCounts& counts() const { return counts_; }
  /// Completes the file under its temporary name, on disk.
  void complete();
  /// complete(), then gives the file its name, on disk.
  void finish();

 private:
  struct SeriesNumbers;

  std::filesystem::path file_;
  std::filesystem::path temporary_;
  std::unique_ptr<ColumnFileWriter> writer_;
  std::unique_ptr<SeriesNumbers> series_;
  RowCounts counts_;
  std::int64_t tokens_ = 0;
  std::int64_t runs_ = 0;
  std::int64_t id_bytes_ = 0;
  std::int64_t rejected_id_bytes_ = 0;
  std::int64_t reason_bytes_ = 0;
  std::int64_t note_bytes_ = 0;
};

/// A token cache open for reading. Offsets and lengths are in memory (28 bytes a sample), the rest
/// is read when asked for. All failures are ColumnFileErrors. const methods are thread-safe.
class TokenCache {
 public:
  /// Opens the file and checks what it keeps in memory. Throws when it is absent, damaged, of
  /// another version, or does not carry `key`.
  TokenCache(const std::filesystem::path& file, const std::string& key);
  ~TokenCache();
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const RowCounts& counts() const { return counts_; }
  [[nodiscard]] std::int64_t samples() const { return counts_.kept; }
  [[nodiscard]] std::int64_t tokens() const { return token_offsets_.back(); }

  [[nodiscard]] std::int64_t length(std::int64_t sample) const {
    return token_offsets_[at(sample) + 1] - token_offsets_[at(sample)];
  }
  /// Index within the sample of the first and the last token with a loss weight other than 0.
  [[nodiscard]] std::int64_t first_trained(std::int64_t sample) const {
    return first_trained_[at(sample)];
  }
  [[nodiscard]] std::int64_t last_trained(std::int64_t sample) const {
    return last_trained_[at(sample)];
  }

  // The same of all samples.
  [[nodiscard]] std::span<const std::int64_t> token_offsets() const { return token_offsets_; }
  [[nodiscard]] std::span<const std::int32_t> first_trained() const { return first_trained_; }
  [[nodiscard]] std::span<const std::int32_t> last_trained() const { return last_trained_; }

  [[nodiscard]] std::int32_t file(std::int64_t sample) const;
  [[nodiscard]] std::int64_t line(std::int64_t sample) const;
  [[nodiscard]] std::string id(std::int64_t sample) const;

  /// The same of all samples at once, checksums compared: for whoever needs many.
  [[nodiscard]] SampleOrigins origins() const;

  /// How much is trained on, checksums compared.
  [[nodiscard]] SampleLosses losses() const;
  /// The weights of one sample, without its tokens and so without its checksum.
  [[nodiscard]] WeightRuns weight_runs(std::int64_t sample) const;

  /// Memory that load() needs besides its results; reused between calls.
  struct Scratch {
    std::vector<std::int32_t> run_lengths;
    std::vector<float> run_weights;
  };
  /// Reads a sample and compares its checksum. tokens and weights [length(sample)], overwritten.
  void load(std::int64_t sample, std::int32_t* tokens, float* weights, Scratch& scratch) const;

  /// In file order.
  [[nodiscard]] std::vector<CachedRejection> rejections() const;
  /// By ascending sample.
  [[nodiscard]] std::vector<SampleNote> notes() const;

  /// Reads the parts that are not in memory, except tokens and weights, and compares checksums.
  void verify_texts() const;
  /// Reads samples begin .. end - 1 and compares their checksums.
  void verify_samples(std::int64_t begin, std::int64_t end) const;

 private:
  struct SeriesNumbers;

  [[nodiscard]] static std::size_t at(std::int64_t sample) {
    return static_cast<std::size_t>(sample);
  }
  void check_header(const std::string& key);
  void check_offsets(const std::vector<std::int64_t>& offsets, std::int64_t count,
                     std::int64_t total, const char* name) const;
  [[noreturn]] void damaged(const std::string& what) const;

  std::filesystem::path path_;
  std::string key_;
  std::unique_ptr<ColumnFile> file_;
  std::unique_ptr<SeriesNumbers> series_;
  RowCounts counts_;
  std::vector<std::int64_t> token_offsets_;  // [samples + 1]
  std::vector<std::int64_t> run_offsets_;    // [samples + 1]
  std::vector<std::uint32_t> checksums_;     // [samples]
  std::vector<std::int32_t> first_trained_;  // [samples]
  std::vector<std::int32_t> last_trained_;   // [samples]
};

}  // namespace longhaul
