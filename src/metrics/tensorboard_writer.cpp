#include "metrics/tensorboard_writer.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "core/clock.h"
#include "core/error.h"
#include "core/host_name.h"
#include "metrics/event_encoding.h"

namespace longhaul {
namespace {

constexpr std::string_view kPrefix = "events.out.tfevents.";

/// TensorBoard reads the files of a folder in the order of their names, so a new file's time must
/// be later than the newest one's, even when both are made in one second or the clock was set back.
std::int64_t next_file_time(const std::filesystem::path& directory) {
  auto time = static_cast<std::int64_t>(unix_time());
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0) continue;
    std::int64_t other = 0;
    const char* begin = name.data() + kPrefix.size();
    if (std::from_chars(begin, name.data() + name.size(), other).ec == std::errc()) {
      time = std::max(time, other + 1);
    }
  }
  return time;
}

}  // namespace

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& directory,
                                     std::int64_t resume_step) {
  try {
    std::filesystem::create_directories(directory);
    path_ = directory / fmt::format("{}{:010}.{}.{}", kPrefix, next_file_time(directory),
                                    host_name(), getpid());
  } catch (const std::filesystem::filesystem_error& error) {
    user_error("TensorBoard events: folder {}: {}; check the path and its permissions",
               directory.string(), error.code().message());
  }
  file_ = open_to_append(path_, AppendTo::new_file);
  const double now = unix_time();
  add_event(version_event(now));
  if (resume_step > 0) add_event(restart_event(now, resume_step + 1));
  flush();
}

TensorBoardWriter::~TensorBoardWriter() {
  if (!file_.valid()) return;
  try {
    flush();
  } catch (const std::exception&) {
    // A destructor has nobody to tell; close() reports.
  }
}

void TensorBoardWriter::add_event(std::string_view encoded_event) {
  buffer_ += tfrecord(encoded_event);
}

void TensorBoardWriter::add_scalar(std::string_view tag, double value, std::int64_t step) {
  add_event(scalar_event(unix_time(), step, tag, static_cast<float>(value)));
}

void TensorBoardWriter::add_text(std::string_view tag, std::string_view markdown,
                                 std::int64_t step) {
  add_event(text_event(unix_time(), step, tag, markdown));
}

void TensorBoardWriter::write_step(const StepMetrics& metrics) {
  const auto scalar = [&](std::string_view tag, double value) {
    add_scalar(tag, value, metrics.step);
  };
  scalar("train/loss", metrics.loss);
  scalar("train/grad_norm", metrics.grad_norm);
  scalar("train/learning_rate", metrics.learning_rate);
  scalar("train/epoch", metrics.epoch);
  scalar("train/skipped", metrics.skipped ? 1.0 : 0.0);
  scalar("speed/tokens_per_second", metrics.tokens_per_second());
  scalar("speed/tokens_per_second_per_device", metrics.tokens_per_second_per_device());
  scalar("speed/trained_tokens_per_second", metrics.trained_tokens_per_second());
  scalar("speed/model_tflops", metrics.model_tflops());
  if (const auto mfu = metrics.mfu()) scalar("speed/mfu", *mfu);
  scalar("time/step", metrics.step_seconds);
  scalar("time/data", metrics.seconds.data);
  scalar("time/forward", metrics.seconds.forward);
  scalar("time/backward", metrics.seconds.backward);
  scalar("time/communication", metrics.seconds.communication);
  scalar("time/optimizer", metrics.seconds.optimizer);
  scalar("time/checkpoint", metrics.seconds.checkpoint);
  if (metrics.memory_bytes > 0) {
    scalar("memory/now_gib", static_cast<double>(metrics.memory_bytes) / (1LL << 30));
  }
  if (metrics.peak_memory_bytes > 0) {
    scalar("memory/peak_gib", static_cast<double>(metrics.peak_memory_bytes) / (1LL << 30));
  }
  if (metrics.gpu) {
    scalar("gpu/clock_mhz", metrics.gpu->clock_mhz);
    scalar("gpu/power_w", metrics.gpu->power_w);
    scalar("gpu/temperature_c", metrics.gpu->temperature_c);
  }
  scalar("data/tokens", static_cast<double>(metrics.tokens));
  scalar("data/trained_tokens", static_cast<double>(metrics.trained_tokens));
  scalar("data/padding_share", metrics.padding_share());
  scalar("data/samples", static_cast<double>(metrics.samples));
  scalar("data/packs", static_cast<double>(metrics.packs));
  scalar("data/consumed_samples", static_cast<double>(metrics.consumed_samples));
  if (metrics.eval_loss) scalar("eval/loss", *metrics.eval_loss);
  flush();
}

void TensorBoardWriter::flush() {
  append_text(file_, buffer_, path_);
  buffer_.clear();
}

void TensorBoardWriter::close() {
  if (!file_.valid()) return;
  flush();
  sync_file(file_, path_);
  file_ = FileDescriptor();
}

}  // namespace longhaul
