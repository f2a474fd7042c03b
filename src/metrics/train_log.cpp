#include "metrics/train_log.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "core/error.h"
#include "core/json.h"

namespace longhaul {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// Builds the object; remembers the numbers that JSON cannot spell.
class LineBuilder {
 public:
  void add(const char* key, std::int64_t value) { line_[key] = value; }
  void add(const char* key, double value) {
    if (std::isfinite(value)) {
      line_[key] = value;
      return;
    }
    line_[key] = nullptr;
    nonfinite_[key] = std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  }
  void add_null(const char* key) { line_[key] = nullptr; }
  void add_flag(const char* key, bool value) { line_[key] = value; }
  void add_stragglers(const std::vector<SlowRank>& ranks) {
    for (const SlowRank& slow : ranks) {
      line_["stragglers"].push_back(
          {{"rank", slow.rank}, {"host", slow.host}, {"ratio", slow.ratio}, {"steps", slow.steps}});
    }
  }
  std::string take() {
    if (!nonfinite_.empty()) line_["nonfinite"] = nonfinite_;
    return dump_json(line_);
  }

 private:
  OrderedJson line_ = OrderedJson::object();
  OrderedJson nonfinite_ = OrderedJson::object();
};

struct KeptLine {
  std::int64_t step;
  double loss;
  std::string text;
};

std::optional<KeptLine> parse_line(std::string_view text) {
  const auto line = parse_json_or_discard<nlohmann::json>(text);
  if (!line.is_object() || !line.contains("step") || !line["step"].is_number_integer()) {
    return std::nullopt;
  }
  double loss = std::numeric_limits<double>::quiet_NaN();
  if (const auto found = line.find("loss"); found != line.end() && found->is_number()) {
    loss = found->get<double>();
  }
  return KeptLine{line["step"].get<std::int64_t>(), loss, std::string(text)};
}

/// Reads the lines of `content` that a run resumed after `resume_step` keeps. A line whose step is
/// not later than its predecessor's was written by a run that went back: it wins.
std::vector<KeptLine> lines_to_keep(std::string_view content, std::int64_t resume_step,
                                    TrainLogRecovery& recovery) {
  std::vector<KeptLine> kept;
  while (!content.empty()) {
    const std::size_t end = content.find('\n');
    const std::string_view text = content.substr(0, end);
    content.remove_prefix(end == std::string_view::npos ? content.size() : end + 1);
    auto line = parse_line(text);
    if (!line) {
      ++recovery.damaged;
      continue;
    }
    while (!kept.empty() && kept.back().step >= line->step) {
      kept.pop_back();
      ++recovery.dropped;
    }
    if (line->step > resume_step) {
      ++recovery.dropped;
    } else {
      kept.push_back(std::move(*line));
    }
  }
  return kept;
}

std::string read_whole(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return {};
  if (!std::filesystem::is_regular_file(path)) {
    user_error("{}: is not a regular file; move it away", path.string());
  }
  return read_text_file(path);
}

}  // namespace

std::string train_log_line(const StepMetrics& m) {
  LineBuilder line;
  line.add("step", m.step);
  line.add("total_steps", m.total_steps);
  line.add("epoch", m.epoch);
  line.add("loss", m.loss);
  line.add("grad_norm", m.grad_norm);
  line.add("learning_rate", m.learning_rate);
  line.add_flag("skipped", m.skipped);
  if (m.eval_loss) line.add("eval_loss", *m.eval_loss);
  line.add("tokens", m.tokens);
  line.add("trained_tokens", m.trained_tokens);
  line.add("padding_tokens", m.padding_tokens);
  line.add("padding_share", m.padding_share());
  line.add("samples", m.samples);
  line.add("packs", m.packs);
  line.add("consumed_samples", m.consumed_samples);
  line.add("step_seconds", m.step_seconds);
  line.add("tokens_per_second", m.tokens_per_second());
  line.add("tokens_per_second_per_device", m.tokens_per_second_per_device());
  line.add("trained_tokens_per_second", m.trained_tokens_per_second());
  line.add("model_flops", m.model_flops);
  line.add("model_tflops", m.model_tflops());
  if (const auto mfu = m.mfu()) {
    line.add("mfu", *mfu);
  } else {
    line.add_null("mfu");
  }
  line.add("devices", static_cast<std::int64_t>(m.devices));
  line.add("data_seconds", m.seconds.data);
  line.add("forward_seconds", m.seconds.forward);
  line.add("backward_seconds", m.seconds.backward);
  line.add("communication_seconds", m.seconds.communication);
  line.add("optimizer_seconds", m.seconds.optimizer);
  line.add("checkpoint_seconds", m.seconds.checkpoint);
  line.add("memory_bytes", m.memory_bytes);
  line.add("peak_memory_bytes", m.peak_memory_bytes);
  if (m.spread) {
    line.add("compute_seconds_median", m.spread->median_seconds);
    line.add("compute_seconds_max", m.spread->slowest_seconds);
    line.add("slowest_rank", static_cast<std::int64_t>(m.spread->slowest_rank));
    line.add_stragglers(m.spread->stragglers);
  }
  if (m.gpu) {
    line.add("gpu_clock_mhz", static_cast<std::int64_t>(m.gpu->clock_mhz));
    line.add("gpu_power_w", m.gpu->power_w);
    line.add("gpu_temperature_c", static_cast<std::int64_t>(m.gpu->temperature_c));
  }
  line.add("time", unix_time());
  return line.take();
}

TrainLog::TrainLog(std::filesystem::path path, std::int64_t resume_step) : path_(std::move(path)) {
  const std::string content = read_whole(path_);
  std::string repaired;
  for (KeptLine& line : lines_to_keep(content, resume_step, recovery_)) {
    repaired += line.text;
    repaired += '\n';
    recovery_.losses.push_back(line.loss);
    ++recovery_.kept;
  }
  recovery_.missing = resume_step - recovery_.kept;
  if (repaired != content) replace_text_file(path_, repaired);
  file_ = open_to_append(path_, AppendTo::existing_or_new);
}

void TrainLog::write(const StepMetrics& metrics) {
  std::string line = train_log_line(metrics);
  line += '\n';
  append_text(file_, line, path_);
}

void TrainLog::sync() { sync_file(file_, path_); }

}  // namespace longhaul
