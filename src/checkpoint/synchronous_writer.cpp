#include <fmt/core.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <random>
#include <thread>

#include "checkpoint/index_writer.h"
#include "checkpoint/naming.h"
#include "checkpoint/publish.h"
#include "checkpoint/save_directory.h"
#include "checkpoint/shard_writer.h"
#include "checkpoint/writer.h"
#include "core/file.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

std::string random_id() {
  std::random_device device;
  std::array<std::uint32_t, 4> words{};
  for (auto& word : words) word = device();
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", words[0], words[1], words[2], words[3]);
}

/// Rank 0 has just made this folder; other hosts may see it a moment later.
void wait_for_directory(const fs::path& directory) {
  constexpr auto kPatience = std::chrono::seconds(10);
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  std::error_code none;
  while (!fs::is_directory(directory, none)) {
    if (std::chrono::steady_clock::now() > give_up) {
      user_error(
          "{}: rank 0 made this folder but it is not there on this host; the save directory "
          "must be on a file system that all hosts share",
          directory.string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

class SynchronousWriter final : public CheckpointWriter {
 public:
  SynchronousWriter(Coordinator& coordinator, CheckpointWriterOptions options)
      : coordinator_(coordinator), options_(std::move(options)) {
    coordinator_.together([&] {
      if (is_first()) prepare_save_directory(options_.save);
    });
  }

  void write(const CheckpointContents& contents) override {
    try {
      write_or_throw(contents);
    } catch (const CollectiveError& error) {
      // Everyone has stopped writing by now.
      if (is_first()) abandon_step(options_.save, contents.step);
      throw CollectiveError(fmt::format("checkpoint of step {}: {}; {}", contents.step,
                                        error.what(), coordinator_.broadcast(what_remains(), 0)),
                            error.speaker(), error.exit_code());
    }
  }

  void finish() override {}  // write() leaves nothing under way

 private:
  [[nodiscard]] bool is_first() const { return coordinator_.rank() == 0; }

  void write_or_throw(const CheckpointContents& contents) {
    const fs::path directory =
        options_.save / (step_directory_name(contents.step) + kTemporarySuffix);
    std::int64_t bytes = 0;
    coordinator_.together([&] { bytes = shard_bytes_bound(contents.slabs); });
    bytes = coordinator_.sum(bytes);
    CheckpointIdentity identity{"", contents.step, coordinator_.size()};
    coordinator_.together([&] {
      if (!is_first()) return;
      begin_step(options_.save, contents.step);
      check_free_space(bytes);
      identity.id = random_id();
    });
    identity.id = coordinator_.broadcast(identity.id, 0);

    ShardRecord own;
    coordinator_.together([&] {
      wait_for_directory(directory);
      own = write_shard(directory, identity, coordinator_.rank(), contents.slabs);
    });
    const std::vector<std::string> encoded = coordinator_.gather(encode(own), 0);
    coordinator_.together([&] {
      if (!is_first()) return;
      std::vector<ShardRecord> shards;
      shards.reserve(encoded.size());
      for (const std::string& bytes_of_one : encoded) {
        shards.push_back(decode_shard_record(bytes_of_one));
      }
      write_index(directory, identity, contents.metadata, shards);
      publish_step(options_.save, contents.step);
    });
    // The checkpoint is there: failing to tidy up is no reason to stop the run.
    if (is_first()) {
      try {
        apply_retention(options_.save, options_.save_total_limit, contents.step);
      } catch (const std::exception& error) {
        warn(fmt::format("an old checkpoint stays: {}", error.what()));
      }
    }
  }

  void check_free_space(std::int64_t needed) const {
    const std::int64_t free = free_bytes(options_.save);
    if (free < needed) {
      user_error(
          "{}: the disk is too full: {} needed, {} free; free space there (a smaller "
          "--save_total_limit keeps fewer checkpoints) or use another --save",
          options_.save.string(), format_bytes(needed), format_bytes(free));
    }
  }

  /// What the user still has after a failure.
  [[nodiscard]] std::string what_remains() const {
    if (!is_first()) return "";
    const std::vector<CompleteStep> steps = complete_steps(options_.save);
    return steps.empty() ? "no checkpoint was written before"
                         : fmt::format("{} stays the latest checkpoint",
                                       steps.front().path.filename().string());
  }

  void warn(const std::string& text) const {
    if (options_.warn) {
      options_.warn(text);
    } else {
      fmt::print(stderr, "warning: {}\n", text);
    }
  }

  Coordinator& coordinator_;
  CheckpointWriterOptions options_;
};

}  // namespace

std::unique_ptr<CheckpointWriter> make_synchronous_writer(Coordinator& coordinator,
                                                          CheckpointWriterOptions options) {
  return std::make_unique<SynchronousWriter>(coordinator, std::move(options));
}

}  // namespace longhaul
