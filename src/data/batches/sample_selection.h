#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/batches/dataset_options.h"
#include "data/batches/length_policy.h"
#include "data/batches/packing.h"
#include "data/cache/token_cache.h"

namespace longhaul {

/// What became of the rows of all files. read = kept + rejected.
struct DatasetCounts {
  std::int64_t read = 0;       // lines that are not blank
  std::int64_t kept = 0;       // good for training or validation
  std::int64_t cut = 0;        // of the kept ones: in part
  std::int64_t not_drawn = 0;  // of the kept ones: path#N left them out
  std::int64_t copies = 0;     // of the kept ones, beyond the first: path#N takes them again
  std::int64_t rejected = 0;   // not kept, over-long ones included
};

/// What decides which samples are used, of all samples in file order. The spans are of memory that
/// someone else keeps.
struct SampleExtents {
  std::span<const std::int64_t> token_offsets;  // [samples + 1]: where tokens begin and end
  std::span<const std::int32_t> first_trained;  // [samples]: index in the sample
  std::span<const std::int32_t> last_trained;   // [samples]
  std::vector<std::int64_t> file_begins;        // [files + 1]: each file's first sample; the end
};

/// What a sample is used for.
enum class SampleUse : std::uint8_t { rejected, not_drawn, training, validation };
std::string_view name_of(SampleUse use);

/// Which samples a run uses, in the order of docs/data.md: length policy, draws (path#N), split.
class SampleSelection {
 public:
  /// `rows`: what the samples come from. Throws UserError for a bad split ratio.
  SampleSelection(SampleExtents extents, const RowCounts& rows, const DatasetOptions& options);

  [[nodiscard]] const DatasetCounts& counts() const { return counts_; }
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(lengths_.size()); }
  /// Sample numbers, ascending; a sample that is drawn several times is there as often.
  [[nodiscard]] const std::vector<std::int64_t>& training() const { return training_; }
  /// Sample numbers, ascending, each once.
  [[nodiscard]] const std::vector<std::int64_t>& validation() const { return validation_; }
  /// The copies of a sample are never in one pack: pass c over the samples takes those that are
  /// drawn more than c times, and its samples are packed by themselves.
  [[nodiscard]] std::vector<Pack> training_packs() const;
  [[nodiscard]] std::vector<Pack> validation_packs() const;

  /// In tokens, before cutting.
  [[nodiscard]] std::int64_t whole_length(std::int64_t sample) const;
  /// In tokens, after cutting; 0: not kept.
  [[nodiscard]] std::int64_t length(std::int64_t sample) const {
    return lengths_[static_cast<std::size_t>(sample)];
  }
  /// The same of all samples.
  [[nodiscard]] const std::vector<std::int64_t>& lengths() const { return lengths_; }
  [[nodiscard]] KeptPart kept_part(std::int64_t sample) const;
  /// Why a sample is not kept whole.
  [[nodiscard]] std::string describe_unkept(std::int64_t sample) const;
  [[nodiscard]] SampleUse use(std::int64_t sample) const;
  /// How often an epoch of training has the sample.
  [[nodiscard]] std::int64_t training_copies(std::int64_t sample) const;

  /// Samples with more than max_length tokens: how many, and the first (-1: none).
  [[nodiscard]] std::int64_t too_long() const { return too_long_; }
  [[nodiscard]] std::int64_t first_too_long() const { return first_too_long_; }

 private:
  void apply_length_policy_to_all(const RowCounts& rows);
  void select(std::size_t training_files, const std::vector<DataSource>& sources, double ratio);

  SampleExtents extents_;
  std::int64_t max_length_;
  TruncationStrategy truncation_;
  PackingMode packing_;
  std::uint64_t seed_;
  DatasetCounts counts_;
  std::vector<std::int64_t> lengths_;  // [samples], after cutting; 0: not kept
  std::vector<std::int64_t> training_;
  std::vector<std::int64_t> validation_;
  std::int64_t too_long_ = 0;
  std::int64_t first_too_long_ = -1;
};

}  // namespace longhaul
