#include "data/dataset/data_report.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <unordered_map>

#include "data/cache/rejected_log.h"

namespace longhaul {
namespace {

constexpr std::size_t kNamedDuplicates = 5;
/// Numbers of ranks for which the table says how evenly they would share work.
constexpr int kUsualSizes[] = {2, 4, 8};

std::size_t index(std::int64_t value) { return static_cast<std::size_t>(value); }

class ReportMaker {
 public:
  explicit ReportMaker(const ReportSource& source)
      : source_(source), selection_(source.selection), options_(source.options) {}

  DataReport make() {
    report_.max_length = options_.max_length;
    report_.run = options_.run;
    report_.packing = options_.packing;
    name_files();
    for (std::int64_t sample = 0; sample < selection_.size(); ++sample) count_sample(sample);
    for (const SampleNote& note : source_.notes) {
      const bool whole = selection_.length(note.sample) == selection_.whole_length(note.sample);
      if (whole) ++report_.noted[reason_group(note.text)];
    }
    for (const CachedRejection& rejection : source_.rejections) {
      ++report_.files[index(rejection.file)].rows.read;
      ++report_.files[index(rejection.file)].rows.rejected;
      ++report_.rejected[reason_group(rejection.reason)];
    }
    add_up_files();
    find_duplicates();
    lay_out_packs();
    return std::move(report_);
  }

 private:
  void name_files() {
    for (const auto* sources : {&options_.files, &options_.validation_files}) {
      for (const DataSource& source : *sources) {
        report_.files.push_back(
            {.file = source.text(), .validation = sources == &options_.validation_files});
      }
    }
  }

  [[nodiscard]] RowPlace place(std::int64_t sample) const {
    const std::int32_t file = source_.origins.files[index(sample)];
    const std::size_t training_files = options_.files.size();
    const bool training = index(file) < training_files;
    const DataSource& source = training ? options_.files[index(file)]
                                        : options_.validation_files[index(file) - training_files];
    return {source.path.string(), source_.origins.lines[index(sample)],
            source_.origins.id(index(sample))};
  }

  [[nodiscard]] TrainedPart trained(std::int64_t sample) const {
    const KeptPart part = selection_.kept_part(sample);
    if (part.verdict == LengthVerdict::cut) {
      return trained_part(source_.weight_runs(sample), part.begin, part.length);
    }
    return {source_.losses.trained_tokens[index(sample)], source_.losses.weight_sum[index(sample)]};
  }

  void count_sample(std::int64_t sample) {
    FileReport& file = report_.files[index(source_.origins.files[index(sample)])];
    ++file.rows.read;
    count_length(sample);
    const KeptPart part = selection_.kept_part(sample);
    if (part.length == 0) {
      ++file.rows.rejected;
      ++report_.rejected[selection_.describe_unkept(sample)];
      return;
    }
    ++file.rows.kept;
    if (part.verdict == LengthVerdict::cut) {
      ++file.rows.cut;
      ++report_.cut[selection_.describe_unkept(sample)];
    }
    const SampleUse use = selection_.use(sample);
    if (use == SampleUse::not_drawn) {
      ++file.rows.not_drawn;
      return;
    }
    const bool training = use == SampleUse::training;
    const std::int64_t copies = training ? selection_.training_copies(sample) : 1;
    file.rows.copies += copies - 1;
    const TrainedPart loss = trained(sample);
    if (loss.weight != static_cast<double>(loss.tokens)) report_.weighted = true;
    for (UsedSamples* used : {&file.used, training ? &report_.training : &report_.validation}) {
      used->samples += copies;
      used->tokens += copies * part.length;
      used->trained_tokens += copies * loss.tokens;
      used->weight_sum += static_cast<double>(copies) * loss.weight;
    }
  }

  void count_length(std::int64_t sample) {
    const std::int64_t length = selection_.whole_length(sample);
    const auto bin = index(std::bit_width(static_cast<std::uint64_t>(length)) - 1);
    for (std::size_t i = report_.lengths.size(); i <= bin; ++i) {
      const std::int64_t from = std::int64_t{1} << i;
      report_.lengths.push_back({.from = from, .to = 2 * from - 1});
    }
    ++report_.lengths[bin].rows;
    report_.lengths[bin].tokens += length;
    if (report_.longest && report_.longest->length >= length) return;
    report_.longest = LongestRow{place(sample), length, selection_.use(sample)};
  }

  void add_up_files() {
    FileReport& total = report_.total;
    for (const FileReport& file : report_.files) {
      total.rows.read += file.rows.read;
      total.rows.kept += file.rows.kept;
      total.rows.cut += file.rows.cut;
      total.rows.not_drawn += file.rows.not_drawn;
      total.rows.copies += file.rows.copies;
      total.rows.rejected += file.rows.rejected;
      total.used.samples += file.used.samples;
      total.used.tokens += file.used.tokens;
      total.used.trained_tokens += file.used.trained_tokens;
      total.used.weight_sum += file.used.weight_sum;
    }
    const auto has_rows = [](const LengthBin& bin) { return bin.rows > 0; };
    const auto first = std::find_if(report_.lengths.begin(), report_.lengths.end(), has_rows);
    report_.lengths.erase(report_.lengths.begin(), first);
  }

  void find_duplicates() {
    const SampleOrigins& origins = source_.origins;
    std::unordered_map<std::string_view, std::int64_t> first_of;
    first_of.reserve(index(selection_.size()));
    for (std::int64_t sample = 0; sample < selection_.size(); ++sample) {
      const std::int64_t begin = origins.id_offsets[index(sample)];
      const std::string_view id(origins.ids.data() + begin,
                                index(origins.id_offsets[index(sample) + 1] - begin));
      const auto [first, added] = first_of.emplace(id, sample);
      if (added) continue;
      ++report_.duplicate_ids;
      if (report_.duplicates.size() < kNamedDuplicates) {
        report_.duplicates.push_back({std::string(id), place(first->second), place(sample)});
      }
    }
  }

  void lay_out_packs() {
    const std::vector<Pack> packs = selection_.training_packs();
    PackReport& report = report_.packs;
    report.training = static_cast<std::int64_t>(packs.size());
    report.validation = static_cast<std::int64_t>(selection_.validation_packs().size());
    if (packs.empty()) return;
    double tokens = 0.0;
    double cost = 0.0;
    double worst = 0.0;
    for (const Pack& pack : packs) {
      report.most_samples =
          std::max(report.most_samples, static_cast<std::int64_t>(pack.samples.size()));
      tokens += static_cast<double>(pack.tokens);
      cost += static_cast<double>(pack_cost(pack));
      worst = std::max(worst, static_cast<double>(pack_cost(pack)));
    }
    const auto count = static_cast<double>(packs.size());
    report.unfilled_share = 1.0 - tokens / (count * static_cast<double>(options_.max_length));
    report.worst_cost = worst / (cost / count);
    balance_steps(packs);
  }

  void balance_steps(const std::vector<Pack>& packs) {
    StepReport& steps = report_.steps;
    const auto measure = [&](const ParallelLayout& layout) {
      RunPlan run = options_.run;
      run.layout = layout;
      const StepSchedule schedule(packs, training_schedule(run, options_.packing, options_.seed));
      steps.per_epoch = schedule.steps_per_epoch();
      steps.total = schedule.total_steps();
      return measure_epoch(packs, selection_.lengths(), schedule, layout);
    };
    const ParallelLayout& layout = options_.run.layout;
    steps.balance = measure(layout);
    const auto most_ranks =
        std::min(options_.run.global_bs, static_cast<std::int64_t>(packs.size()));
    for (const int size : kUsualSizes) {
      if (size <= most_ranks && size != layout.dp) {
        const ParallelLayout other{.tp = layout.tp, .cp = layout.cp, .dp = size};
        steps.data_parallel.emplace_back(size, measure(other).data_parallel);
      }
      if (size != layout.cp) {
        const ParallelLayout other{.tp = layout.tp, .cp = size, .dp = layout.dp};
        steps.context_parallel.emplace_back(size, measure(other).context_parallel);
      }
    }
    if (layout.dp > 1) steps.data_parallel.emplace_back(layout.dp, steps.balance.data_parallel);
    if (layout.cp > 1) {
      steps.context_parallel.emplace_back(layout.cp, steps.balance.context_parallel);
    }
    const auto smaller = [](const auto& a, const auto& b) { return a.first < b.first; };
    std::sort(steps.data_parallel.begin(), steps.data_parallel.end(), smaller);
    std::sort(steps.context_parallel.begin(), steps.context_parallel.end(), smaller);
  }

  const ReportSource& source_;
  const SampleSelection& selection_;
  const DatasetOptions& options_;
  DataReport report_;
};

}  // namespace

DataReport make_data_report(const ReportSource& source) { return ReportMaker(source).make(); }

}  // namespace longhaul
