// The lines printed while a run goes on; console_tables.cpp has the opening and closing tables.
#include "metrics/console.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace longhaul {
namespace {

constexpr double kRedrawSeconds = 0.1;  // a person sees no more
constexpr std::int64_t kLinesPerHeader = 25;
constexpr std::size_t kShortestBar = 8;
constexpr std::size_t kLongestBar = 30;
constexpr double kTeraflopsFrom = 0.1;  // below, the column is in GFLOP/s

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Four decimals in at most eight columns; larger numbers in short form.
std::string short_number(double value, int decimals) {
  if (!std::isfinite(value) || std::abs(value) < 1000.0) {
    return fmt::format("{:.{}f}", value, decimals);
  }
  return fmt::format("{:.3g}", value);
}

std::string right(std::string_view text, std::size_t width) {
  const std::size_t columns = display_width(text);
  return std::string(columns < width ? width - columns : 0, ' ') + std::string(text);
}

int digits_of(std::int64_t value) { return static_cast<int>(fmt::formatted_size("{}", value)); }

}  // namespace

Console::Console(std::FILE* out, ConsoleStyle style, std::int64_t log_interval)
    : out_(out),
      style_(style),
      log_interval_(std::max<std::int64_t>(log_interval, 1)),
      now_(steady_seconds) {}

Console::~Console() { clear_status(); }

std::string Console::painted(std::string_view text, Paint paint) const {
  if (style_.color == ConsoleColor::off || paint == Paint::plain) return std::string(text);
  const char* code = "";
  switch (paint) {
    case Paint::plain:
      break;
    case Paint::bold:
      code = "1";
      break;
    case Paint::dim:
      code = "2";
      break;
    case Paint::good:
      code = "32";
      break;
    case Paint::notice:
      code = "36";
      break;
    case Paint::warning:
      code = "33";
      break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

void Console::clear_status() {
  if (status_.empty()) return;
  std::fputs("\r\x1b[2K", out_);
  std::fflush(out_);
  status_.clear();
}

void Console::draw_status(std::string text) {
  // One column stays free: filling the last one makes some terminals start a new line.
  const auto room = static_cast<std::size_t>(std::max(style_.width - 1, 1));
  status_ = cut_to_width(text, room);
  fmt::print(out_, "\r\x1b[2K{}", status_);
  std::fflush(out_);
  last_draw_ = now_();
}

void Console::print_line(std::string_view text) {
  const std::string status = std::move(status_);
  status_.clear();
  fmt::print(out_, "{}{}\n", status.empty() ? "" : "\r\x1b[2K", text);
  if (!status.empty()) draw_status(status);
  std::fflush(out_);
}

void Console::message(std::string_view text) { print_line(text); }

void Console::choose_columns(const StepMetrics& first) {
  gigaflops_ = first.model_tflops() < kTeraflopsFrom;
  show_mfu_ = first.mfu().has_value();
  show_memory_ = first.peak_memory_bytes > 0;
  step_digits_ = std::max(digits_of(first.total_steps), digits_of(first.step));
}

std::string Console::header_line() const {
  std::string line = right("step", static_cast<std::size_t>(std::max(2 * step_digits_ + 1, 5)));
  line += right("loss", 10) + right("grad norm", 11) + right("lr", 10) + right("tok/s", 8);
  line += right(gigaflops_ ? "GFLOP/s" : "TFLOP/s", 9);
  if (show_mfu_) line += right("MFU", 8);
  line += right("padding", 9) + right("step time", 11);
  if (show_memory_) line += right("peak mem", 10);
  return line + right("time left", 13);
}

std::string Console::step_line(const StepMetrics& m) const {
  const std::string steps = fmt::format("{}/{}", m.step, m.total_steps);
  std::string line = right(steps, static_cast<std::size_t>(std::max(2 * step_digits_ + 1, 5)));
  line += right(short_number(m.loss, 4), 10) + right(short_number(m.grad_norm, 3), 11);
  line += right(fmt::format("{:.2e}", m.learning_rate), 10);
  line += right(human_count(m.tokens_per_second()), 8);
  line += right(short_number(m.model_tflops() * (gigaflops_ ? 1000.0 : 1.0), 1), 9);
  if (show_mfu_) line += right(fmt::format("{:.1f} %", 100.0 * m.mfu().value_or(0.0)), 8);
  line += right(fmt::format("{:.1f} %", 100.0 * m.padding_share()), 9);
  line += right(human_duration(m.step_seconds), 11);
  if (show_memory_) line += right(human_bytes(m.peak_memory_bytes), 10);
  const auto left = time_left_.seconds(m.total_steps - m.step);
  return line + right(left ? human_duration(*left) : "", 13);
}

std::string Console::status_line(const StepMetrics& m) const {
  const double share =
      m.total_steps > 0 ? static_cast<double>(m.step) / static_cast<double>(m.total_steps) : 0.0;
  // What matters most comes first; fields that do not fit are left out whole.
  const std::string head = fmt::format(" {:3.0f} %  {}/{}", 100.0 * share, m.step, m.total_steps);
  std::vector<std::string> fields{fmt::format("loss {}", short_number(m.loss, 4))};
  if (const auto left = time_left_.seconds(m.total_steps - m.step)) {
    fields.push_back(fmt::format("{} left", human_duration(*left)));
  }
  fields.push_back(fmt::format("{} tok/s", human_count(m.tokens_per_second())));
  fields.push_back(human_flops(m.model_tflops() * 1e12));
  fields.push_back(fmt::format("grad {}", short_number(m.grad_norm, 3)));
  fields.push_back(fmt::format("lr {:.2e}", m.learning_rate));
  const auto room = static_cast<std::size_t>(std::max(style_.width - 1, 1));
  std::string text = head;
  std::size_t used = display_width(head) + kShortestBar;
  for (const std::string& field : fields) {
    if (used + 2 + display_width(field) > room) break;
    text += "  " + field;
    used += 2 + display_width(field);
  }
  const std::size_t free = room > display_width(text) ? room - display_width(text) : 0;
  return progress_bar(share, std::min(free, kLongestBar), style_.charset) + text;
}

void Console::step(const StepMetrics& m) {
  const double now = now_();
  if (steps_ == 0) {
    choose_columns(m);
    first_time_ = now - m.step_seconds;
    last_time_ = first_time_;
  }
  time_left_.add(m.step_seconds, now - last_time_);
  last_time_ = now;
  ++steps_;
  skipped_ += m.skipped ? 1 : 0;
  last_step_ = m.step;
  total_steps_ = m.total_steps;
  tokens_ += m.tokens;
  step_seconds_ += m.step_seconds;
  losses_.push_back(m.loss);

  const bool live = style_.mode == ConsoleMode::live;
  const bool last = m.step >= m.total_steps;
  if (live && last) {
    clear_status();
  } else if (live && !status_.empty()) {
    status_ = status_line(m);  // what a line printed now draws below itself
  }
  if (!live || m.step % log_interval_ == 0 || last || m.skipped) {
    if (lines_since_header_ < 0 || lines_since_header_ >= kLinesPerHeader) {
      print_line(painted(header_line(), Paint::bold));
      lines_since_header_ = 0;
    }
    ++lines_since_header_;
    const std::string line = step_line(m);
    print_line(m.skipped ? painted(line + "  skipped: not finite", Paint::warning) : line);
  }
  const bool due = status_.empty() || !last_draw_ || now - *last_draw_ >= kRedrawSeconds;
  if (live && !last && due) draw_status(status_line(m));
}

void Console::evaluation(const EvaluationReport& report) {
  std::string text =
      fmt::format("evaluation after step {}: loss {}", report.step, short_number(report.loss, 4));
  if (last_eval_) text += fmt::format(" ({:+.4f})", report.loss - *last_eval_);
  text += fmt::format(", {} samples, {} trained tokens, {}", grouped(report.samples),
                      grouped(report.trained_tokens), human_duration(report.seconds));
  print_line(painted("      " + text, Paint::notice));
  if (!first_eval_) first_eval_ = report.loss;
  last_eval_ = report.loss;
}

void Console::checkpoint(const CheckpointReport& report) {
  print_line(painted(
      fmt::format("      checkpoint of step {}: {} ({} in {}, training waited {}, of which {} "
                  "for the copy)",
                  report.step, report.path, human_bytes(report.bytes),
                  human_duration(report.seconds), human_duration(report.blocked_seconds),
                  human_duration(report.copy_seconds)),
      Paint::good));
}

void Console::earlier_losses(std::vector<double> losses) {
  losses_.insert(losses_.begin(), losses.begin(), losses.end());
}

}  // namespace longhaul
