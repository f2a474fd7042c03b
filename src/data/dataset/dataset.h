#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/batches/dataset_options.h"
#include "data/batches/micro_batch.h"
#include "data/batches/packing.h"
#include "data/batches/sample_selection.h"
#include "data/cache/rejected_log.h"
#include "data/cache/token_cache.h"
#include "data/dataset/data_report.h"
#include "data/files/data_scan.h"
#include "data/template/row_encoder.h"

namespace longhaul {

/// Memory for the documents of a micro-batch, reused between micro-batches.
struct DocumentBuffer {
  std::vector<Document> documents;  // views of what follows
  std::vector<std::int32_t> tokens;
  std::vector<float> weights;
  TokenCache::Scratch scratch;
};

/// Where a sample comes from.
struct SampleSource {
  std::string file;
  std::int64_t line = 0;
};

/// All samples of a run, on disk in the token cache, and which of them are trained on. Samples are
/// numbered from 0 in file order over all files; rows that could not be encoded have no number, but
/// samples that the length policy did not keep have one and a length of 0. Equal on all ranks.
/// const methods are thread-safe.
class Dataset {
 public:
  /// `scan` is what the cache was made from. Throws UserError for a bad split ratio, or with
  /// TruncationStrategy::stop when a sample is too long.
  Dataset(std::unique_ptr<TokenCache> cache, const DataScan& scan, std::string encoder_fingerprint,
          const DatasetOptions& options);

  [[nodiscard]] const DatasetCounts& counts() const { return selection_.counts(); }
  [[nodiscard]] const SampleSelection& selection() const { return selection_; }
  [[nodiscard]] const TokenCache& cache() const { return *cache_; }
  [[nodiscard]] const DatasetOptions& options() const { return options_; }
  // Of the data files, those for validation last.
  [[nodiscard]] const std::vector<DataFile>& files() const { return files_; }
  [[nodiscard]] const std::vector<std::string>& file_hashes() const { return file_hashes_; }
  [[nodiscard]] const std::string& encoder_fingerprint() const { return encoder_fingerprint_; }
  /// One more than the largest sample number.
  [[nodiscard]] std::int64_t size() const { return cache_->samples(); }
  /// Sample numbers, ascending; in training a sample that path#N draws several times is there as
  /// often.
  [[nodiscard]] std::span<const std::int64_t> training() const { return selection_.training(); }
  [[nodiscard]] std::span<const std::int64_t> validation() const { return selection_.validation(); }
  [[nodiscard]] std::int64_t training_tokens() const;
  [[nodiscard]] std::int64_t validation_tokens() const;
  [[nodiscard]] std::vector<Pack> training_packs() const { return selection_.training_packs(); }
  [[nodiscard]] std::vector<Pack> validation_packs() const { return selection_.validation_packs(); }

  /// In tokens, after cutting.
  [[nodiscard]] std::int64_t length(std::int64_t sample) const { return selection_.length(sample); }
  /// Where all samples come from, and what there is to know of some. Read from the cache; throw
  /// UserError when it has been damaged.
  [[nodiscard]] SampleOrigins origins() const;
  [[nodiscard]] std::vector<SampleNote> notes() const;
  [[nodiscard]] std::string id(std::int64_t sample) const;
  [[nodiscard]] SampleSource source(std::int64_t sample) const;
  /// Reads the samples of the packs number `numbers` of `packs` as they are trained on, in order;
  /// overwrites `buffer`. Allocates only when a buffer must grow. Throws UserError when the cache
  /// has been damaged.
  void load_packs(std::span<const Pack> packs, std::span<const std::int64_t> numbers,
                  DocumentBuffer& buffer) const;

  /// A JSON object of everything that decides which samples are trained on and how they are packed,
  /// so that a resumed run can say what differs: "files", "encoder", "max_length",
  /// "truncation_strategy", "packing", "split_dataset_ratio", "seed", "samples".
  [[nodiscard]] std::string describe_identity() const;
  /// SHA-256 of describe_identity().
  [[nodiscard]] std::string fingerprint() const;

  /// The account of every row. Reads the cache.
  [[nodiscard]] DataReport report() const;
  /// Every row that is not trained on as it was, in file order; those that path#N left out are not
  /// among them. Reads the cache.
  [[nodiscard]] std::vector<UnkeptRow> unkept_rows() const;

 private:
  [[nodiscard]] std::int64_t count_tokens(std::span<const std::int64_t> samples) const;

  std::unique_ptr<TokenCache> cache_;
  std::vector<DataFile> files_;
  std::vector<std::string> file_hashes_;
  std::string encoder_fingerprint_;
  DatasetOptions options_;
  SampleSelection selection_;
};

}  // namespace longhaul
