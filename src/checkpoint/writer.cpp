#include "checkpoint/writer.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "checkpoint/background_work.h"
#include "checkpoint/index_writer.h"
#include "checkpoint/naming.h"
#include "checkpoint/publish.h"
#include "checkpoint/save_directory.h"
#include "checkpoint/shard_writer.h"
#include "core/file.h"
#include "core/humanize.h"
#include "core/random_hex.h"
#include "core/stopwatch.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

enum class Stage : std::uint8_t { shards, index };

/// Rank 0 has just made this folder; other hosts may see it a moment later.
void wait_for_directory(const fs::path& directory, const std::stop_token& stop) {
  constexpr auto kPatience = std::chrono::seconds(10);
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  std::error_code none;
  while (!fs::is_directory(directory, none)) {
    throw_if_stopped(stop);
    if (std::chrono::steady_clock::now() > give_up) {
      user_error(
          "{}: rank 0 made this folder but it is not there on this host; the save directory "
          "must be on a file system that all hosts share",
          directory.string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

/// A checkpoint under way. The work writes what is marked with *; it is read when none runs.
struct CheckpointWriter::Attempt {
  CheckpointContents contents;
  CheckpointIdentity identity;
  fs::path directory;  // step_….tmp
  Stage stage = Stage::shards;
  CompletedCheckpoint report;
  std::string record;                // * of this rank's shard, encoded
  std::vector<std::string> records;  // everyone's, on rank 0
  double seconds = 0.0;              // * that this stage's work took
  std::string warning;               // *
  BackgroundWork work;               // last: it is over before what it uses is destroyed
};

CheckpointWriter::CheckpointWriter(Coordinator& coordinator, CheckpointWriterOptions options)
    : coordinator_(coordinator), options_(std::move(options)) {
  coordinator_.run_collectively([&] {
    if (is_first()) prepare_save_directory(options_.save);
  });
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::write(CheckpointContents contents) {
  finish();
  const Stopwatch watch;
  attempt_ = std::make_unique<Attempt>();
  const std::string name = step_directory_name(contents.step);
  attempt_->directory = options_.save / (name + kTemporarySuffix);
  attempt_->identity = {"", contents.step, coordinator_.size()};
  attempt_->report.step = contents.step;
  attempt_->report.directory = options_.save / name;
  attempt_->contents = std::move(contents);
  try {
    hand_over();
  } catch (const CollectiveError& error) {
    give_up(error);
  }
  attempt_->report.blocked_seconds = watch.seconds();
}

void CheckpointWriter::poll() {
  if (attempt_) advance(Patience::none);
}

void CheckpointWriter::finish() {
  while (attempt_) advance(Patience::until_ready);
}

void CheckpointWriter::hand_over() {
  Attempt& attempt = *attempt_;
  const std::vector<TensorSlab>& slabs = attempt.contents.slabs;
  std::int64_t file_bytes = 0;
  coordinator_.run_collectively([&] { file_bytes = shard_bytes_bound(slabs); });
  file_bytes = coordinator_.sum(file_bytes);
  attempt.report.bytes = coordinator_.sum(data_bytes(slabs));
  coordinator_.run_collectively([&] {
    if (!is_first()) return;
    begin_step(options_.save, attempt.contents.step);
    check_free_space(file_bytes);
    attempt.identity.id = random_hex(32);
  });
  attempt.identity.id = coordinator_.broadcast(attempt.identity.id, 0);
  coordinator_.run_collectively([&] {
    attempt.work.start([this, &attempt, rank = coordinator_.rank()](const std::stop_token& stop) {
      const Stopwatch watch;
      wait_for_directory(attempt.directory, stop);
      attempt.record =
          encode(write_shard(attempt.directory, attempt.identity, rank, attempt.contents.slabs,
                             stop, [this] { coordinator_.progress().beat(); }));
      attempt.seconds = watch.seconds();
    });
  });
}

void CheckpointWriter::advance(Patience patience) {
  const Stopwatch watch;
  try {
    if (everyone_is_ready(patience)) {
      coordinator_.run_collectively([&] { attempt_->work.rethrow_failure(); });
      if (attempt_->stage == Stage::index) {
        attempt_->report.blocked_seconds += watch.seconds();
        complete();
        return;
      }
      start_index();
    }
  } catch (const CollectiveError& error) {
    give_up(error);
  }
  attempt_->report.blocked_seconds += watch.seconds();
}

/// Ready: nobody's work is running, or somebody's has failed.
bool CheckpointWriter::everyone_is_ready(Patience patience) {
  if (patience == Patience::until_ready) attempt_->work.wait();
  const auto own = static_cast<std::int64_t>(attempt_->work.state());
  return coordinator_.max(own) != static_cast<std::int64_t>(BackgroundWork::State::running);
}

void CheckpointWriter::start_index() {
  Attempt& attempt = *attempt_;
  attempt.records = coordinator_.gather(attempt.record, 0);
  constexpr double kMicroseconds = 1e6;
  const auto own = static_cast<std::int64_t>(attempt.seconds * kMicroseconds);
  attempt.report.background_seconds = static_cast<double>(coordinator_.max(own)) / kMicroseconds;
  attempt.stage = Stage::index;
  coordinator_.run_collectively([&] {
    if (!is_first()) return;
    attempt.work.start(
        [this, &attempt](const std::stop_token&) { write_and_publish_index(attempt); });
  });
}

/// On rank 0's thread.
void CheckpointWriter::write_and_publish_index(Attempt& attempt) const {
  const Stopwatch watch;
  std::vector<ShardRecord> shards;
  shards.reserve(attempt.records.size());
  for (const std::string& record : attempt.records) shards.push_back(decode_shard_record(record));
  const std::int64_t step = attempt.contents.step;
  write_index(attempt.directory, attempt.identity, attempt.contents.metadata, shards);
  publish_step(options_.save, step);
  attempt.seconds = watch.seconds();
  // The checkpoint is there: failing to tidy up is no reason to stop the run.
  try {
    apply_retention(options_.save, options_.save_total_limit, step);
  } catch (const std::exception& error) {
    attempt.warning = fmt::format("an old checkpoint stays: {}", error.what());
  }
}

void CheckpointWriter::complete() {
  const std::unique_ptr<Attempt> attempt = std::move(attempt_);
  if (!is_first()) return;
  if (!attempt->warning.empty()) {
    if (options_.warn) {
      options_.warn(attempt->warning);
    } else {
      fmt::print(stderr, "warning: {}\n", attempt->warning);
    }
  }
  attempt->report.background_seconds += attempt->seconds;
  if (options_.completed) options_.completed(attempt->report);
}

void CheckpointWriter::give_up(const CollectiveError& error) {
  const std::unique_ptr<Attempt> attempt = std::move(attempt_);
  attempt->work.stop();
  coordinator_.barrier();  // nobody writes into the folder any more
  const std::int64_t step = attempt->contents.step;
  if (is_first()) abandon_step(options_.save, step);
  throw CollectiveError(fmt::format("checkpoint of step {}: {}; {}", step, error.what(),
                                    coordinator_.broadcast(what_remains(), 0)),
                        error.speaker(), error.exit_code());
}

void CheckpointWriter::check_free_space(std::int64_t needed) const {
  const std::int64_t free = free_bytes(options_.save);
  if (free < needed) {
    user_error(
        "{}: the disk is too full: {} needed, {} free; free space there (a smaller "
        "--save_total_limit keeps fewer checkpoints) or use another --save",
        options_.save.string(), human_bytes(needed), human_bytes(free));
  }
}

/// What the user still has after a failure.
std::string CheckpointWriter::what_remains() const {
  if (!is_first()) return "";
  const std::vector<CompleteStep> steps = complete_steps(options_.save);
  return steps.empty() ? "no checkpoint was written before"
                       : fmt::format("{} stays the latest checkpoint",
                                     steps.front().path.filename().string());
}

}  // namespace longhaul
