#include "data/batches/sample_selection.h"

#include <algorithm>
#include <iterator>

#include "core/error.h"
#include "data/batches/row_draw.h"
#include "data/batches/sample_split.h"

namespace longhaul {
namespace {

std::size_t index(std::int64_t value) { return static_cast<std::size_t>(value); }

std::vector<std::int64_t> distinct(std::vector<std::int64_t> ascending) {
  ascending.erase(std::unique(ascending.begin(), ascending.end()), ascending.end());
  return ascending;
}

bool contains(const std::vector<std::int64_t>& ascending, std::int64_t value) {
  return std::binary_search(ascending.begin(), ascending.end(), value);
}

}  // namespace

std::string_view name_of(SampleUse use) {
  switch (use) {
    case SampleUse::rejected:
      return "rejected";
    case SampleUse::not_drawn:
      return "not drawn";
    case SampleUse::training:
      return "training";
    case SampleUse::validation:
      return "validation";
  }
  return "";
}

SampleSelection::SampleSelection(SampleExtents extents, const RowCounts& rows,
                                 const DatasetOptions& options)
    : extents_(std::move(extents)),
      max_length_(options.max_length),
      truncation_(options.truncation),
      packing_(options.packing),
      seed_(options.seed) {
  LONGHAUL_CHECK(max_length_ >= 1, "max_length {}", max_length_);
  std::vector<DataSource> sources = options.files;
  sources.insert(sources.end(), options.validation_files.begin(), options.validation_files.end());
  LONGHAUL_CHECK(extents_.file_begins.size() == sources.size() + 1, "{} files begin, {} are named",
                 extents_.file_begins.size() - 1, sources.size());
  apply_length_policy_to_all(rows);
  select(options.files.size(), sources, options.split_dataset_ratio);
}

void SampleSelection::apply_length_policy_to_all(const RowCounts& rows) {
  counts_.read = rows.read;
  counts_.rejected = rows.rejected;
  lengths_.resize(extents_.first_trained.size());
  for (std::int64_t sample = 0; sample < size(); ++sample) {
    const KeptPart part = kept_part(sample);
    lengths_[index(sample)] = part.length;
    if (part.verdict == LengthVerdict::cut) ++counts_.cut;
    ++(part.length > 0 ? counts_.kept : counts_.rejected);
    if (whole_length(sample) > max_length_ && ++too_long_ == 1) first_too_long_ = sample;
  }
  LONGHAUL_CHECK(counts_.kept + counts_.rejected == counts_.read, "{} kept + {} rejected, {} read",
                 counts_.kept, counts_.rejected, counts_.read);
}

void SampleSelection::select(std::size_t training_files, const std::vector<DataSource>& sources,
                             double ratio) {
  std::vector<std::int64_t> drawn;  // of the training files, with copies
  for (std::size_t file = 0; file < sources.size(); ++file) {
    std::vector<std::int64_t> of_file;
    for (std::int64_t sample = extents_.file_begins[file]; sample < extents_.file_begins[file + 1];
         ++sample) {
      if (length(sample) > 0) of_file.push_back(sample);
    }
    const std::size_t kept = of_file.size();
    if (sources[file].draw) of_file = draw_samples(of_file, *sources[file].draw, seed_, file);
    // Evaluating on a row twice tells nothing more.
    const std::vector<std::int64_t> once = distinct(of_file);
    if (file >= training_files) of_file = once;
    counts_.not_drawn += static_cast<std::int64_t>(kept - once.size());
    auto& target = file < training_files ? drawn : validation_;
    target.insert(target.end(), of_file.begin(), of_file.end());
  }
  if (training_files < sources.size()) {
    training_ = std::move(drawn);
  } else {
    // No row is trained on and evaluated on, so it is the rows that are split, not their copies.
    SampleSplit split = split_samples(distinct(drawn), ratio, seed_);
    validation_ = std::move(split.validation);
    std::copy_if(drawn.begin(), drawn.end(), std::back_inserter(training_),
                 [&](std::int64_t sample) { return !contains(validation_, sample); });
  }
  counts_.copies = static_cast<std::int64_t>(training_.size() - distinct(training_).size());
}

std::vector<Pack> SampleSelection::training_packs() const {
  std::vector<std::vector<std::int64_t>> passes(1);
  std::size_t pass = 0;
  for (std::size_t i = 0; i < training_.size(); ++i) {
    pass = i > 0 && training_[i] == training_[i - 1] ? pass + 1 : 0;
    if (pass == passes.size()) passes.emplace_back();
    passes[pass].push_back(training_[i]);
  }
  std::vector<Pack> packs;
  for (const std::vector<std::int64_t>& samples : passes) {
    std::vector<Pack> more = pack_samples(samples, lengths_, max_length_, packing_);
    std::move(more.begin(), more.end(), std::back_inserter(packs));
  }
  return packs;
}

std::vector<Pack> SampleSelection::validation_packs() const {
  return pack_samples(validation_, lengths_, max_length_, packing_);
}

std::int64_t SampleSelection::whole_length(std::int64_t sample) const {
  return extents_.token_offsets[index(sample) + 1] - extents_.token_offsets[index(sample)];
}

KeptPart SampleSelection::kept_part(std::int64_t sample) const {
  return apply_length_policy(whole_length(sample), extents_.first_trained[index(sample)],
                             extents_.last_trained[index(sample)], max_length_, truncation_);
}

std::string SampleSelection::describe_unkept(std::int64_t sample) const {
  const std::string_view kept = truncation_ == TruncationStrategy::keep_end ? "last" : "first";
  switch (kept_part(sample).verdict) {
    case LengthVerdict::whole:
      break;
    case LengthVerdict::cut:
      return fmt::format("cut to the {} {} tokens", kept, max_length_);
    case LengthVerdict::too_long:
      return fmt::format("longer than max_length {}", max_length_);
    case LengthVerdict::loss_cut_off:
      return fmt::format("no trained tokens among the {} {}", kept, max_length_);
  }
  LONGHAUL_CHECK(false, "sample {} is kept whole", sample);
}

SampleUse SampleSelection::use(std::int64_t sample) const {
  if (length(sample) == 0) return SampleUse::rejected;
  if (contains(training_, sample)) return SampleUse::training;
  return contains(validation_, sample) ? SampleUse::validation : SampleUse::not_drawn;
}

std::int64_t SampleSelection::training_copies(std::int64_t sample) const {
  const auto range = std::equal_range(training_.begin(), training_.end(), sample);
  return range.second - range.first;
}

}  // namespace longhaul
