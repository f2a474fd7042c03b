// The tables that open and close a run.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "metrics/console.h"

namespace longhaul {
namespace {

constexpr std::size_t kLabelWidth = 14;
constexpr std::size_t kSparklineWidth = 40;

std::string labelled(std::string_view label, std::string_view text) {
  const std::size_t columns = display_width(label);
  const std::size_t gap = columns < kLabelWidth ? kLabelWidth - columns : 1;
  return fmt::format("  {}{}{}", label, std::string(gap, ' '), text);
}

std::string data_text(const RunOverview& o) {
  std::string text = fmt::format("{}: {} read", o.dataset, counted(o.rows_read, "row"));
  if (o.rows_rejected > 0) {
    text += fmt::format(", {} rejected", grouped(o.rows_rejected));
    if (!o.rejected_path.empty()) text += fmt::format(" (listed in {})", o.rejected_path);
  }
  text += fmt::format(", {} for training", grouped(o.train_samples));
  if (o.validation_samples > 0) {
    text += fmt::format(", {} for evaluation", grouped(o.validation_samples));
  }
  return text;
}

std::string tokens_text(const RunOverview& o) {
  std::string text = counted(o.train_tokens, "token");
  if (o.train_tokens > 0 && o.trained_tokens > 0) {
    text += fmt::format(
        ", {} trained on ({:.0f} %)", grouped(o.trained_tokens),
        100.0 * static_cast<double>(o.trained_tokens) / static_cast<double>(o.train_tokens));
  }
  if (o.packs > 0) {
    text += fmt::format(", {} of up to {} tokens", counted(o.packs, "pack"), grouped(o.max_length));
  }
  return text;
}

std::string steps_text(const RunOverview& o) {
  std::string text = counted(o.total_steps, "step");
  if (o.global_batch > 0) text += fmt::format(" of {}", counted(o.global_batch, "pack"));
  if (o.micro_batch > 0) text += fmt::format(" (micro-batch {})", o.micro_batch);
  if (o.epochs > 0.0) text += fmt::format(", {:.3g} epochs", o.epochs);
  if (o.resume_step > 0) text += fmt::format("; resumed after step {}", o.resume_step);
  return text;
}

}  // namespace

void Console::opening(const RunOverview& o) {
  print_line(painted(o.version.empty() ? "Longhaul" : "Longhaul " + o.version, Paint::bold));
  const auto line = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) print_line(labelled(label, text));
  };
  std::string model = o.model;
  if (!o.model_path.empty()) {
    model += model.empty() ? o.model_path : fmt::format(" ({})", o.model_path);
  }
  line("model", model);
  if (o.parameters > 0) {
    line("parameters", fmt::format("{} ({})", grouped(o.parameters), human_count(o.parameters)));
  }
  line("layout", o.layout);
  line("backend", o.backend);
  if (!o.dataset.empty()) line("data", data_text(o));
  if (o.train_tokens > 0) line("tokens", tokens_text(o));
  if (o.total_steps > 0) line("plan", steps_text(o));
  line("save to", o.save_path);
  for (const auto& [label, text] : o.extra) line(label, text);
  print_line("");
}

void Console::closing(const RunSummary& s) {
  clear_status();
  const bool complete = s.end == RunEnd::complete;
  const std::string_view arrow = style_.charset == Charset::utf8 ? "→" : "->";
  print_line("");
  std::string title = complete ? "Finished" : "Stopped";
  if (steps_ > 0) {
    title += fmt::format(" after step {} of {}: {} in {}", last_step_, total_steps_,
                         counted(steps_, "step"), human_duration(last_time_ - first_time_));
    if (step_seconds_ > 0.0) {
      title += fmt::format(", {} tok/s", human_count(static_cast<double>(tokens_) / step_seconds_));
    }
  } else {
    title += ": there was no step to do";
  }
  print_line(painted(title, complete ? Paint::good : Paint::warning));
  if (!losses_.empty()) {
    const auto finite = [](double loss) { return std::isfinite(loss); };
    const auto first = std::find_if(losses_.begin(), losses_.end(), finite);
    const auto last = std::find_if(losses_.rbegin(), losses_.rend(), finite);
    if (first != losses_.end()) {
      print_line(
          labelled("loss", fmt::format("{:.4f} {} {:.4f}  {}", *first, arrow, *last,
                                       sparkline(losses_, kSparklineWidth, style_.charset))));
    }
  }
  if (first_eval_ && last_eval_) {
    const bool several = *first_eval_ != *last_eval_;
    const std::string before = several ? fmt::format("{:.4f} {} ", *first_eval_, arrow) : "";
    print_line(labelled("evaluation", fmt::format("{}{:.4f}", before, *last_eval_)));
  }
  if (skipped_ > 0) {
    print_line(painted(
        labelled("skipped", counted(skipped_, "step") + " whose loss or gradient was not finite"),
        Paint::warning));
  }
  if (!s.checkpoint_path.empty()) print_line(labelled("checkpoint", s.checkpoint_path));
  if (!s.log_path.empty()) print_line(labelled("log", s.log_path));
  if (!s.tensorboard_path.empty()) print_line(labelled("TensorBoard", s.tensorboard_path));
  if (!s.next.empty()) {
    print_line("  try next");
    for (const std::string& command : s.next) print_line("    " + command);
  }
}

}  // namespace longhaul
