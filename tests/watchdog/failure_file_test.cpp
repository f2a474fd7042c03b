#include "watchdog/failure_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/version.h"
#include "watchdog/fatal_signals.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;

class FailureFileTest : public ::testing::Test {
 protected:
  FailureFileTest() {
    std::string name = (fs::temp_directory_path() / "failure-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~FailureFileTest() override { fs::remove_all(folder_); }

  [[nodiscard]] nlohmann::json read() const {
    return parse_json<nlohmann::json>(read_text_file(folder_ / "failure.json"));
  }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

TEST_F(FailureFileTest, HasEveryField) {
  ProgressRecord progress;
  progress.begin_step(12);
  progress.enter_phase("forward");
  const CollectiveScope scope(&progress, Group::cp, "attention.gather_kv", 4096);
  const std::vector<RankOnHost> missing{{3, "south"}, {7, "a \"quoted\" host"}};
  FailureRecord record;
  record.kind = FailureKind::timeout;
  record.rank = 1;
  record.host = "north";
  record.pid = 4711;
  record.progress = progress.read();
  record.waited_seconds = 601.25;
  record.missing = missing;
  record.message = "rank 3 has not\narrived: \xFF";
  record.remedy = "look at C:\\south";
  FailureFile file(folder_, 1, "north");
  EXPECT_EQ(file.publish(record), Publication::done);
  const nlohmann::json json = read();
  EXPECT_NEAR(json.at("time").get<double>(), unix_time(), 10.0);
  EXPECT_EQ(json.at("version"), kVersion);
  EXPECT_EQ(json.at("kind"), "timeout");
  EXPECT_EQ(json.at("rank"), 1);
  EXPECT_EQ(json.at("host"), "north");
  EXPECT_EQ(json.at("pid"), 4711);
  EXPECT_EQ(json.at("step"), 12);
  EXPECT_EQ(json.at("phase"), "forward");
  EXPECT_EQ(json.at("collective"), "attention.gather_kv");
  EXPECT_EQ(json.at("group"), "cp");
  EXPECT_EQ(json.at("bytes"), 4096);
  EXPECT_EQ(json.at("waited_seconds"), 601.3);
  ASSERT_EQ(json.at("missing_ranks").size(), 2U);
  EXPECT_EQ(json["missing_ranks"][0], (nlohmann::json{{"rank", 3}, {"host", "south"}}));
  EXPECT_EQ(json["missing_ranks"][1]["host"], "a \"quoted\" host");
  EXPECT_EQ(json.at("message"), "rank 3 has not\narrived: ?");
  EXPECT_EQ(json.at("remedy"), "look at C:\\south");
  EXPECT_FALSE(json.contains("signal"));
  EXPECT_EQ(files(), 1U);
}

TEST_F(FailureFileTest, LeavesOutWhatDoesNotApply) {
  FailureRecord record;
  record.kind = FailureKind::exception;
  record.message = "broken";
  FailureFile file(folder_, 0, "north");
  EXPECT_EQ(file.publish(record), Publication::done);
  for (const char* key :
       {"collective", "group", "bytes", "waited_seconds", "missing_ranks", "signal"}) {
    EXPECT_FALSE(read().contains(key)) << key;
  }
}

TEST_F(FailureFileTest, StaysReadableHoweverMuchThereIsToTell) {
  std::vector<RankOnHost> missing;
  for (int i = 0; i < 5000; ++i) missing.push_back({i, "a-host-with-a-rather-long-name.example"});
  const std::string text(100000, 'x');
  FailureRecord record;
  record.kind = FailureKind::timeout;
  record.missing = missing;
  record.message = text;
  record.remedy = text;
  FailureFile file(folder_, 0, "north");
  EXPECT_EQ(file.publish(record), Publication::done);
  EXPECT_GE(read().at("message").get<std::string>().size(), 1000U);
  EXPECT_GE(read().at("remedy").get<std::string>().size(), 1000U);
}

TEST_F(FailureFileTest, TheFirstOneStays) {
  constexpr int kRanks = 8;
  std::vector<std::unique_ptr<FailureFile>> files_of_ranks;
  for (int rank = 0; rank < kRanks; ++rank) {
    files_of_ranks.push_back(std::make_unique<FailureFile>(folder_, rank, "north"));
  }
  std::atomic<int> done = 0;
  std::atomic<int> late = 0;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] {
      FailureRecord record;
      record.rank = rank;
      record.message = "mine";
      switch (files_of_ranks[static_cast<std::size_t>(rank)]->publish(record)) {
        case Publication::done:
          ++done;
          break;
        case Publication::another_was_first:
          ++late;
          break;
        case Publication::failed:
          break;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(late, kRanks - 1);
  const nlohmann::json first = read();
  FailureRecord later;
  later.message = "later";
  EXPECT_EQ(files_of_ranks[0]->publish(later), Publication::another_was_first);
  EXPECT_EQ(read(), first);
  EXPECT_EQ(files(), 1U);

  files_of_ranks[0]->set_former_aside();
  EXPECT_EQ(parse_json<nlohmann::json>(read_text_file(folder_ / "failure.previous.json")), first);
  EXPECT_EQ(files_of_ranks[1]->publish(later), Publication::done);
  EXPECT_EQ(read().at("message"), "later");
}

TEST_F(FailureFileTest, SaysWhenItCannotBeWritten) {
  FailureFile file(folder_ / "not-there", 0, "north");
  EXPECT_EQ(file.publish({}), Publication::failed);
  FailureFile good(folder_, 0, "north");
  good.set_former_aside();  // there is none
  EXPECT_EQ(files(), 0U);
}

/// Runs `crash` in a child whose signals are watched; returns what waitpid says.
int crash_in_child(const fs::path& folder, const std::function<void()>& crash) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::signal(signal, SIG_DFL);
    [[maybe_unused]] const auto* const quiet = std::freopen("/dev/null", "w", stderr);
    ProgressRecord progress;
    FailureFile file(folder, 5, "north");
    const FatalSignals fatal(file, progress, "train");
    progress.begin_step(3);
    progress.enter_phase("backward");
    const CollectiveScope scope(&progress, Group::dp_cp, "gradients.reduce_scatter", 64);
    crash();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

/// Uses up the stack; volatile so that the compiler makes no loop of it.
int recurse(int depth) {  // NOLINT(misc-no-recursion)
  volatile char room[4096] = {};
  room[0] = static_cast<char>(depth);
  return depth == 0 ? room[0] : recurse(depth + 1) + room[0];
}

TEST_F(FailureFileTest, CrashesLeaveARecordAndGoTheirWay) {
  struct Crash {
    int signal;
    std::function<void()> work;
  };
  const std::vector<Crash> crashes{
      {SIGSEGV,
       [] {
         void* const page = ::mmap(nullptr, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         *static_cast<volatile int*>(page) = 1;
       }},
      {SIGSEGV, [] { recurse(1); }},
      {SIGABRT, [] { std::abort(); }},
      {SIGFPE, [] { ::raise(SIGFPE); }},
      {SIGBUS, [] { ::kill(::getpid(), SIGBUS); }},
      {SIGSEGV, [] { std::thread([] { ::raise(SIGSEGV); }).join(); }},
  };
  for (std::size_t i = 0; i < crashes.size(); ++i) {
    SCOPED_TRACE(i);
    const Crash& crash = crashes[i];
    const int status = crash_in_child(folder_, crash.work);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == crash.signal) << status;
    const nlohmann::json json = read();
    EXPECT_EQ(json.at("kind"), "signal");
    EXPECT_EQ(json.at("signal"), crash.signal);
    EXPECT_EQ(json.at("rank"), 5);
    EXPECT_EQ(json.at("step"), 3);
    EXPECT_EQ(json.at("phase"), "backward");
    EXPECT_EQ(json.at("collective"), "gradients.reduce_scatter");
    EXPECT_NE(json.at("message").get<std::string>().find("step 3, phase backward"),
              std::string::npos);
    EXPECT_EQ(files(), 1U);
    fs::remove(folder_ / "failure.json");
  }
}

void former_handler(int /*signal*/) { ::_exit(42); }

TEST_F(FailureFileTest, TheFormerHandlerStillRuns) {
  const int status = crash_in_child(folder_, [&] {
    ::signal(SIGSEGV, former_handler);
    ProgressRecord progress;
    FailureFile file(folder_, 5, "north");
    const FatalSignals fatal(file, progress, "train");
    ::raise(SIGSEGV);
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42) << status;
  EXPECT_EQ(read().at("kind"), "signal");
}

}  // namespace
}  // namespace longhaul
