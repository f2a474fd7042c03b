#include "data/cache/token_cache.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <numeric>
#include <random>
#include <thread>

#include "core/error.h"
#include "data/batch_test_support.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::read_bytes;
using test::TemporaryDirectory;
using test::write_bytes;

struct Rows {
  std::vector<CachedSample> samples;
  std::vector<std::vector<float>> weights;  // [samples], spelled out
  std::vector<CachedRejection> rejections;
};

Rows make_rows(std::size_t samples, std::size_t most_tokens) {
  std::mt19937_64 random(5);
  Rows rows;
  std::int64_t line = 1;
  for (std::size_t i = 0; i < samples; ++i) {
    if (i % 5 == 3) {
      rows.rejections.push_back({0, line++, i % 2 == 0 ? -1 : 17, i % 2 == 0 ? "" : "bad \"row\" é",
                                 "messages[0]: no content"});
    }
    CachedSample sample{
        static_cast<std::int32_t>(i % 2), line++, fmt::format("row-{}-世界", i), {}, {}};
    const std::size_t length = 2 + random() % most_tokens;
    std::vector<float> weights(length);
    for (std::size_t t = 0; t < length; ++t) {
      sample.tokens.push_back(static_cast<std::int32_t>(random() % 152000));
      weights[t] = t > 0 && (t == 1 || random() % 3 == 0)
                       ? 0.25F * static_cast<float>(1 + random() % 4)
                       : 0.0F;
    }
    sample.weights = compress_weights(weights);
    if (i % 4 == 1) sample.note = fmt::format("kept, but noted é {}", i);
    rows.samples.push_back(std::move(sample));
    rows.weights.push_back(std::move(weights));
  }
  return rows;
}

void write_cache(const fs::path& file, const Rows& rows) {
  TokenCacheWriter writer(file, "key");
  for (const CachedSample& sample : rows.samples) writer.add(sample);
  for (const CachedRejection& rejection : rows.rejections) writer.add(rejection);
  writer.finish();
}

/// Reads everything; throws ColumnFileError when a fault is found; fails the test when something
/// that is wrong comes out without one.
void read_and_compare(const fs::path& file, const Rows& rows) {
  const TokenCache cache(file, "key");
  cache.verify_texts();
  cache.verify_samples(0, cache.samples());
  ASSERT_EQ(cache.counts().kept, static_cast<std::int64_t>(rows.samples.size()));
  ASSERT_EQ(cache.counts().rejected, static_cast<std::int64_t>(rows.rejections.size()));
  const SampleLosses losses = cache.losses();
  ASSERT_EQ(losses.trained_tokens.size(), rows.samples.size());
  const std::vector<SampleNote> notes = cache.notes();
  auto note = notes.begin();
  for (std::size_t i = 0; i < rows.samples.size(); ++i) {
    if (rows.samples[i].note.empty()) continue;
    ASSERT_NE(note, notes.end());
    ASSERT_EQ(note->sample, static_cast<std::int64_t>(i));
    ASSERT_EQ((note++)->text, rows.samples[i].note);
  }
  ASSERT_EQ(note, notes.end());
  TokenCache::Scratch scratch;
  for (std::size_t i = 0; i < rows.samples.size(); ++i) {
    const CachedSample& sample = rows.samples[i];
    const auto number = static_cast<std::int64_t>(i);
    const auto length = static_cast<std::int64_t>(sample.tokens.size());
    ASSERT_EQ(cache.length(number), length);
    std::vector<std::int32_t> tokens(sample.tokens.size());
    std::vector<float> weights(sample.tokens.size());
    cache.load(number, tokens.data(), weights.data(), scratch);
    ASSERT_EQ(tokens, sample.tokens);
    ASSERT_EQ(weights, rows.weights[i]);
    ASSERT_EQ(cache.id(number), sample.id);
    ASSERT_EQ(cache.line(number), sample.line);
    ASSERT_EQ(cache.file(number), sample.file);
    std::int64_t last = length - 1;
    while (rows.weights[i][static_cast<std::size_t>(last)] == 0.0F) --last;
    ASSERT_EQ(cache.first_trained(number), 1);
    ASSERT_EQ(cache.last_trained(number), last);
    ASSERT_EQ(cache.weight_runs(number).lengths, sample.weights.lengths);
    ASSERT_EQ(cache.weight_runs(number).weights, sample.weights.weights);
    const auto zeros = std::count(rows.weights[i].begin(), rows.weights[i].end(), 0.0F);
    ASSERT_EQ(losses.trained_tokens[i], length - zeros);
    ASSERT_EQ(losses.weight_sum[i],
              std::accumulate(rows.weights[i].begin(), rows.weights[i].end(), 0.0));
  }
  const auto rejections = cache.rejections();
  ASSERT_EQ(rejections.size(), rows.rejections.size());
  for (std::size_t i = 0; i < rejections.size(); ++i) {
    ASSERT_EQ(rejections[i].line, rows.rejections[i].line);
    ASSERT_EQ(rejections[i].length, rows.rejections[i].length);
    ASSERT_EQ(rejections[i].id, rows.rejections[i].id);
    ASSERT_EQ(rejections[i].reason, rows.rejections[i].reason);
  }
}

TEST(CompressWeights, RunsAddUpAndTheFirstTokenHasNone) {
  const WeightRuns runs = compress_weights({1.0F, 1.0F, 1.0F, 0.0F, 2.0F, 2.0F});
  EXPECT_EQ(runs.lengths, (std::vector<std::int32_t>{1, 2, 1, 2}));
  EXPECT_EQ(runs.weights, (std::vector<float>{0.0F, 1.0F, 0.0F, 2.0F}));
  EXPECT_TRUE(compress_weights({}).lengths.empty());
}

TEST(TrainedPart, CountsWhatIsLeftOfASample) {
  const WeightRuns runs = compress_weights({0.0F, 0.5F, 0.5F, 0.0F, 2.0F, 2.0F, 0.0F});
  const auto part = [&](std::int64_t begin, std::int64_t length) {
    const TrainedPart found = trained_part(runs, begin, length);
    return std::pair(found.tokens, found.weight);
  };
  EXPECT_EQ(part(0, 7), std::pair(std::int64_t{4}, 5.0));
  EXPECT_EQ(part(0, 2), std::pair(std::int64_t{1}, 0.5));
  EXPECT_EQ(part(1, 6), std::pair(std::int64_t{3}, 4.5));  // the first token is not predicted
  EXPECT_EQ(part(4, 3), std::pair(std::int64_t{1}, 2.0));
  EXPECT_EQ(part(5, 2), std::pair(std::int64_t{0}, 0.0));
  EXPECT_EQ(trained_range(runs).first, 1);
  EXPECT_EQ(trained_range(runs).last, 5);
}

TEST(TokenCache, GivesBackWhatWasWritten) {
  const TemporaryDirectory folder;
  const fs::path file = folder.path() / "tokens.h5";
  const Rows rows = make_rows(300, 3000);  // several chunks of tokens
  write_cache(file, rows);
  read_and_compare(file, rows);
  // Nothing else is left in the folder.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(TokenCache, WithoutRejectionsOrWithoutSamples) {
  const TemporaryDirectory folder;
  Rows rows = make_rows(4, 10);
  Rows none = rows;
  none.samples.clear();
  none.weights.clear();
  write_cache(folder.path() / "none.h5", none);
  read_and_compare(folder.path() / "none.h5", none);
  rows.rejections.clear();
  write_cache(folder.path() / "all.h5", rows);
  read_and_compare(folder.path() / "all.h5", rows);
}

TEST(TokenCache, TheSameRowsGiveTheSameBytes) {
  const TemporaryDirectory folder;
  const Rows rows = make_rows(50, 500);
  write_cache(folder.path() / "a.h5", rows);
  std::this_thread::sleep_for(
      std::chrono::milliseconds(1100));  // no time of writing is in the file
  write_cache(folder.path() / "b.h5", rows);
  EXPECT_EQ(read_bytes(folder.path() / "a.h5"), read_bytes(folder.path() / "b.h5"));
}

std::string fault_of(const fs::path& file, const std::string& key) {
  try {
    const TokenCache cache(file, key);
    return "";
  } catch (const ColumnFileError& error) {
    return error.what();
  }
}

TEST(TokenCache, RefusesWhatIsNotItsOwn) {
  const TemporaryDirectory folder;
  const fs::path file = folder.path() / "tokens.h5";
  write_cache(file, make_rows(10, 100));
  EXPECT_EQ(fault_of(file, "key"), "");
  EXPECT_NE(fault_of(file, "other").find("made from other data or settings"), std::string::npos);
  EXPECT_NE(fault_of(folder.path() / "absent.h5", "key").find("cannot be opened"),
            std::string::npos);
  write_bytes(folder.path() / "text.h5", "not HDF5 at all");
  EXPECT_NE(fault_of(folder.path() / "text.h5", "key").find("cannot be opened"), std::string::npos);
  {
    ColumnFileWriter other(folder.path() / "other.h5");
    other.set_attribute("format", "something else");
    other.finish();
  }
  EXPECT_NE(fault_of(folder.path() / "other.h5", "key").find("not a token cache"),
            std::string::npos);
}

TEST(TokenCache, ATruncatedFileIsRefused) {
  const TemporaryDirectory folder;
  const fs::path file = folder.path() / "tokens.h5";
  const Rows rows = make_rows(40, 300);
  write_cache(file, rows);
  const std::string whole = read_bytes(file);
  for (const double part : {0.0, 0.1, 0.5, 0.9, 0.999}) {
    write_bytes(
        file, whole.substr(0, static_cast<std::size_t>(part * static_cast<double>(whole.size()))));
    EXPECT_THROW(read_and_compare(file, rows), ColumnFileError) << part;
  }
}

/// Runs `work` in a child process and returns its wait status.
int in_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST(TokenCache, AFlippedByteIsFoundOrHarmless) {
  const TemporaryDirectory folder;
  const fs::path file = folder.path() / "tokens.h5";
  const Rows rows = make_rows(40, 60);
  write_cache(file, rows);
  const std::string whole = read_bytes(file);
  std::vector<std::size_t> used;  // the rest is the unused end of chunks
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i] != 0) used.push_back(i);
  }
  // In a process of its own: HDF5 leaks memory when it gives up on a file.
  const int status = in_child([&] {
    std::mt19937_64 random(9);
    int found = 0;
    constexpr int kTimes = 400;
    for (int i = 0; i < kTimes; ++i) {
      std::string damaged = whole;
      const std::size_t at = used[random() % used.size()];
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
      write_bytes(file, damaged);
      try {
        read_and_compare(file, rows);
      } catch (const ColumnFileError&) {
        ++found;
      }
      if (testing::Test::HasFatalFailure()) _exit(8);  // wrong without a complaint
    }
    _exit(found > kTimes * 9 / 10 ? 7 : 9);
  });
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

std::size_t temporaries(const fs::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    count += entry.path().extension() == ".tmp" ? 1 : 0;
  }
  return count;
}

TEST(TokenCache, KilledBeforeTheRenameLeavesNoCacheAndItsRestIsRemovedLater) {
  const TemporaryDirectory folder;
  const fs::path file = folder.path() / "tokens.h5";
  const Rows rows = make_rows(20, 100);
  const int status = in_child([&] {
    TokenCacheWriter writer(file, "key");
    for (const CachedSample& sample : rows.samples) writer.add(sample);
    writer.complete();
    kill(getpid(), SIGKILL);
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(fs::exists(file));
  EXPECT_EQ(temporaries(folder.path()), 1U);
  // A writer that may still be alive is left alone, an abandoned one is cleaned up after.
  write_cache(file, rows);
  EXPECT_EQ(temporaries(folder.path()), 1U);
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(2));
  }
  write_cache(file, rows);
  EXPECT_EQ(temporaries(folder.path()), 0U);
  read_and_compare(file, rows);
}

TEST(TokenCache, AFullDiskIsAUserErrorAndKeepsTheOldCache) {
  const TemporaryDirectory folder;
  const fs::path file = folder.path() / "tokens.h5";
  const Rows small = make_rows(20, 100);
  write_cache(file, small);
  const int status = in_child([&] {
    // As a full disk, writing beyond this size fails.
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{200000, 200000};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_cache(file, make_rows(300, 3000));
    } catch (const UserError& error) {
      const std::string text = error.what();
      _exit(text.find("writing failed") != std::string::npos &&
                    text.find("--token_cache_dir") != std::string::npos
                ? 7
                : 8);
    }
    _exit(9);
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  read_and_compare(file, small);
  EXPECT_EQ(temporaries(folder.path()), 0U);
}

TEST(TokenCache, AFolderThatIsAbsentIsAUserError) {
  const TemporaryDirectory folder;
  EXPECT_THROW(TokenCacheWriter(folder.path() / "no" / "tokens.h5", "key"), UserError);
}

}  // namespace
}  // namespace longhaul
