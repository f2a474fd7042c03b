#include "data/dataset/provenance.h"

#include <algorithm>
#include <map>

#include "core/error.h"

namespace longhaul {
namespace {

std::size_t index(std::int64_t value) { return static_cast<std::size_t>(value); }

}  // namespace

Provenance::Provenance(const std::filesystem::path& save)
    : recorded_(open_recorded_dataset(save)),
      packs_(recorded_.dataset.training_packs()),
      schedule_(packs_, training_schedule(recorded_.options.run, recorded_.options.packing,
                                          recorded_.options.seed)),
      origins_(dataset().origins()),
      notes_(dataset().notes()) {}

RowPlace Provenance::place_of(std::int64_t sample) const {
  const std::int32_t file = origins_.files[index(sample)];
  return {dataset().files().at(index(file)).path.string(), origins_.lines[index(sample)],
          origins_.id(index(sample))};
}

PackContents Provenance::contents(std::int64_t pack) const {
  PackContents contents{.pack = pack, .tokens = packs_[index(pack)].tokens};
  for (const std::int64_t sample : packs_[index(pack)].samples) {
    contents.rows.push_back({place_of(sample), dataset().length(sample)});
  }
  return contents;
}

void Provenance::add_steps(std::span<PackContents> packs) const {
  // Epochs outside: each has an order that takes time to make.
  for (std::int64_t epoch = 0; epoch * schedule_.steps_per_epoch() < total_steps(); ++epoch) {
    for (PackContents& contents : packs) {
      const auto step = schedule_.step_of(contents.pack, epoch);
      if (step) contents.steps.push_back(*step + 1);
    }
  }
}

RowFate Provenance::fate_of(std::int64_t sample) const {
  const SampleSelection& selection = dataset().selection();
  RowFate fate{.place = place_of(sample),
               .length = selection.whole_length(sample),
               .kept = selection.length(sample),
               .use = selection.use(sample)};
  if (fate.kept < fate.length) {
    fate.reason = selection.describe_unkept(sample);
  } else {
    const auto note = std::find_if(notes_.begin(), notes_.end(),
                                   [&](const SampleNote& one) { return one.sample == sample; });
    if (note != notes_.end()) fate.reason = note->text;
  }
  if (fate.use != SampleUse::training) return fate;
  for (std::int64_t pack = 0; pack < packs(); ++pack) {
    const auto& samples = packs_[index(pack)].samples;
    if (std::find(samples.begin(), samples.end(), sample) != samples.end()) {
      fate.packs.push_back(contents(pack));
    }
  }
  add_steps(fate.packs);
  return fate;
}

void Provenance::find_rejected(std::string_view id, std::vector<RowFate>& rows) const {
  for (const CachedRejection& rejection : dataset().cache().rejections()) {
    const std::filesystem::path& path = dataset().files().at(index(rejection.file)).path;
    const bool named = rejection.id == id;
    const bool unnamed = rejection.id.empty() &&
                         fmt::format("{}:{}", path.filename().string(), rejection.line) == id;
    if (!named && !unnamed) continue;
    rows.push_back({.place = {path.string(), rejection.line, rejection.id},
                    .length = rejection.length,
                    .kept = 0,
                    .use = SampleUse::rejected,
                    .reason = rejection.reason});
  }
}

std::vector<RowFate> Provenance::find(std::string_view id) const {
  std::vector<RowFate> rows;
  for (std::int64_t sample = 0; sample < dataset().size(); ++sample) {
    const std::int64_t begin = origins_.id_offsets[index(sample)];
    const std::int64_t end = origins_.id_offsets[index(sample) + 1];
    if (std::string_view(origins_.ids.data() + begin, index(end - begin)) == id) {
      rows.push_back(fate_of(sample));
    }
  }
  find_rejected(id, rows);
  // Files in the order of the run, not of their names.
  std::map<std::string, std::size_t> numbers;
  for (std::size_t file = 0; file < dataset().files().size(); ++file) {
    numbers.emplace(dataset().files()[file].path.string(), file);
  }
  std::stable_sort(rows.begin(), rows.end(), [&](const RowFate& a, const RowFate& b) {
    return std::pair(numbers[a.place.file], a.place.line) <
           std::pair(numbers[b.place.file], b.place.line);
  });
  return rows;
}

StepContents Provenance::step(std::int64_t step) const {
  if (step < 1 || step > total_steps()) {
    user_error("--step {}: the run has steps 1 to {}", step, total_steps());
  }
  const StepPlan plan = schedule_.plan(step - 1);
  StepContents contents{.step = step, .epoch = plan.epoch + 1};
  for (const std::int64_t pack : plan.packs) contents.packs.push_back(this->contents(pack));
  add_steps(contents.packs);
  return contents;
}

PackContents Provenance::pack(std::int64_t pack) const {
  if (pack < 0 || pack >= packs()) {
    user_error("--pack {}: the run has packs 0 to {}", pack, packs() - 1);
  }
  PackContents contents = this->contents(pack);
  add_steps({&contents, 1});
  return contents;
}

}  // namespace longhaul
