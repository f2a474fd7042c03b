// The account of the data as a person reads it.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/utf8.h"
#include "data/cache/rejected_log.h"
#include "data/dataset/data_report.h"

namespace longhaul {
namespace {

constexpr std::size_t kLabelWidth = 12;
constexpr std::size_t kFileWidth = 34;
constexpr std::size_t kBarWidth = 30;
constexpr std::size_t kFilesShown = 12;

std::string padded(std::string text, std::size_t width) {
  const std::size_t columns = display_width(text);
  return columns < width ? text + std::string(width - columns, ' ') : text;
}

/// The end of a long name tells more than its beginning.
std::string shortened(const std::string& name) {
  if (display_width(name) <= kFileWidth) return name;
  std::size_t begin = 0;
  while (display_width(std::string_view(name).substr(begin)) > kFileWidth - 3 ||
         is_utf8_continuation(name[begin])) {
    ++begin;
  }
  return "..." + name.substr(begin);
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string percent(double share) {
  return fmt::format("{:.{}f} %", 100.0 * share, share < 0.0995 ? 2 : 1);
}

class Table {
 public:
  Table(const DataReport& report, Charset charset) : report_(report), charset_(charset) {}

  std::string draw() {
    files();
    reasons("rejected", report_.rejected);
    reasons("cut", report_.cut);
    reasons("noted", report_.noted);
    used("training", report_.training);
    if (report_.validation.samples > 0) used("validation", report_.validation);
    lengths();
    packs();
    steps();
    duplicates();
    return std::move(text_);
  }

 private:
  void line(std::string_view label, const std::string& text) {
    text_ += fmt::format("  {}{}\n", padded(std::string(label), kLabelWidth), text);
  }

  void file_line(const std::string& name, const FileReport& file) {
    text_ += fmt::format("  {} {:>9} {:>9} {:>7} {:>9} {:>9} {:>8} {:>8}\n",
                         padded(name, kFileWidth), grouped(file.rows.read), grouped(file.rows.kept),
                         grouped(file.rows.cut), grouped(file.rows.rejected),
                         grouped(file.rows.not_drawn), human_count(file.used.tokens),
                         file.used.tokens > 0 ? percent(file.used.trained_share()) : "-");
  }

  void files() {
    text_ +=
        fmt::format("  {} {:>9} {:>9} {:>7} {:>9} {:>9} {:>8} {:>8}\n", padded("file", kFileWidth),
                    "rows", "kept", "cut", "rejected", "not drawn", "tokens", "trained");
    std::size_t shown = 0;
    for (const FileReport& file : report_.files) {
      if (++shown > kFilesShown) continue;
      file_line(shortened(file_name(file.file) + (file.validation ? " (validation)" : "")), file);
    }
    if (shown > kFilesShown) {
      text_ += fmt::format("  ... and {} more files\n", shown - kFilesShown);
    }
    if (report_.files.size() > 1) file_line("all", report_.total);
  }

  void reasons(std::string_view label, const std::map<std::string, std::int64_t>& counts) {
    if (!counts.empty()) line(label, describe_reasons(counts));
  }

  void used(std::string_view label, const UsedSamples& samples) {
    std::string text =
        fmt::format("{}, {} tokens, of which {} carry loss ({})",
                    counted(samples.samples, "sample"), human_count(samples.tokens),
                    human_count(samples.trained_tokens), percent(samples.trained_share()));
    if (report_.weighted) text += fmt::format(", weights add up to {:.6g}", samples.weight_sum);
    line(label, text);
  }

  void lengths() {
    std::int64_t most = 0;
    for (const LengthBin& bin : report_.lengths) most = std::max(most, bin.rows);
    std::string_view label = "lengths";
    for (const LengthBin& bin : report_.lengths) {
      const double share = static_cast<double>(bin.rows) / static_cast<double>(most);
      const std::string range = fmt::format("{} - {}", grouped(bin.from), grouped(bin.to));
      line(std::exchange(label, ""),
           fmt::format("{:>19} {} {:>9} rows {:>7} tokens", range, bar(share), grouped(bin.rows),
                       human_count(bin.tokens)));
    }
    if (!report_.longest) return;
    const LongestRow& row = *report_.longest;
    line("longest",
         fmt::format("{} tokens: \"{}\" at {}:{}{}", grouped(row.length),
                     cut_to_width(row.place.id, 40), file_name(row.place.file), row.place.line,
                     row.use == SampleUse::rejected ? " (rejected)" : ""));
  }

  [[nodiscard]] std::string bar(double share) const {
    const auto full = static_cast<std::size_t>(share * kBarWidth + 0.5);
    const std::size_t drawn = share > 0.0 ? std::max<std::size_t>(full, 1) : 0;
    std::string text;
    for (std::size_t i = 0; i < drawn; ++i) text += charset_ == Charset::utf8 ? "█" : "#";
    return text + std::string(kBarWidth - drawn, ' ');
  }

  void packs() {
    const PackReport& packs = report_.packs;
    if (packs.training == 0) return;
    std::string text = fmt::format(
        "{} of up to {} tokens and {}, {} unfilled; the costliest {:.2f} x the mean",
        counted(packs.training, "pack"), grouped(report_.max_length),
        counted(packs.most_samples, "sample"), percent(packs.unfilled_share), packs.worst_cost);
    if (packs.validation > 0) text += fmt::format("; {} for validation", packs.validation);
    line("packs", text);
  }

  void steps() {
    const StepReport& steps = report_.steps;
    if (steps.total == 0) return;
    line("steps", fmt::format("{} of {}, {} an epoch; padding is {} of what is computed",
                              grouped(steps.total), counted(report_.run.global_bs, "pack"),
                              grouped(steps.per_epoch), percent(steps.balance.padding_share())));
    imbalance("DP waits", steps.data_parallel, report_.run.layout.dp);
    imbalance("CP waits", steps.context_parallel, report_.run.layout.cp);
  }

  /// "2 ranks 1.20 % (step 9: 3.40 %)": how much longer the busiest rank takes than the average.
  void imbalance(std::string_view label, const std::vector<std::pair<int, Imbalance>>& list,
                 int size_of_run) {
    std::string text;
    for (const auto& [ranks, imbalance] : list) {
      text += fmt::format("{}{} ranks{} {} (step {}: {})", text.empty() ? "" : "; ", ranks,
                          ranks == size_of_run ? " of this run" : "", percent(imbalance.mean - 1.0),
                          imbalance.worst_step, percent(imbalance.worst - 1.0));
    }
    if (!text.empty()) line(label, text);
  }

  void duplicates() {
    if (report_.duplicate_ids == 0) return;
    std::string text =
        fmt::format("{} with the id of an earlier one", counted(report_.duplicate_ids, "row"));
    constexpr std::size_t kShown = 2;
    for (std::size_t i = 0; i < std::min(kShown, report_.duplicates.size()); ++i) {
      const DuplicateId& duplicate = report_.duplicates[i];
      text +=
          fmt::format("{} \"{}\" at {}:{} and {}:{}", i == 0 ? ":" : ";",
                      cut_to_width(duplicate.id, 30), file_name(duplicate.first.file),
                      duplicate.first.line, file_name(duplicate.again.file), duplicate.again.line);
    }
    if (report_.duplicates.size() > kShown) text += "; ...";
    line("same id", text);
  }

  const DataReport& report_;
  Charset charset_;
  std::string text_;
};

}  // namespace

std::string data_report_table(const DataReport& report, Charset charset) {
  return Table(report, charset).draw();
}

}  // namespace longhaul
