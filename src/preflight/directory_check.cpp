#include "preflight/directory_check.h"

#include <dirent.h>

#include <algorithm>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/random_hex.h"
#include "preflight/mount.h"

namespace longhaul::preflight {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPrefix = ".preflight-";
constexpr std::chrono::milliseconds kRetry{50};
// What a killed start has left is removed by a later one; a younger file may be another start's.
constexpr std::chrono::minutes kLeftOver{10};

/// Bytes of a path need not be UTF-8, which JSON insists on.
std::string encode(const DirectoryFact& fact) {
  return dump_json(nlohmann::json(fact), -1, InvalidUtf8::replace);
}

/// Reading a folder makes network file systems ask the server what is in it.
void refresh(const fs::path& folder) {
  DIR* const directory = ::opendir(folder.c_str());
  if (directory == nullptr) return;
  while (::readdir(directory) != nullptr) {
  }
  ::closedir(directory);
}

void remove_left_over(const fs::path& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().rfind(kPrefix, 0) != 0) continue;
    const fs::file_time_type time = entry.last_write_time(error);
    if (error || fs::file_time_type::clock::now() - time < kLeftOver) continue;
    fs::remove(entry.path(), error);
  }
}

}  // namespace

DirectoryProbe::DirectoryProbe(Coordinator& coordinator, fs::path directory,
                               std::chrono::milliseconds patience)
    : coordinator_(coordinator), directory_(std::move(directory)), patience_(patience) {}

fs::path DirectoryProbe::file_of(int rank) const {
  return directory_ / fmt::format("{}{}.{:05}", kPrefix, id_, rank);
}

void DirectoryProbe::make_folders() {
  fs::path missing = fs::absolute(directory_).lexically_normal();
  if (!missing.has_filename()) missing = missing.parent_path();
  std::error_code none;
  while (!missing.empty() && !fs::exists(missing, none) && missing != missing.parent_path()) {
    made_.insert(made_.begin(), missing);
    missing = missing.parent_path();
  }
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) throw UserError(io_error_text(directory_, "cannot be created", error.value()));
  if (!fs::is_directory(directory_, none)) {
    user_error("{}: is not a directory; choose another", directory_.string());
  }
  remove_left_over(directory_);
}

void DirectoryProbe::write_own(DirectoryFact& fact) const {
  const fs::path file = file_of(coordinator_.rank());
  try {
    write_text_file(file, id_);
  } catch (const UserError& error) {
    fact.cannot_write = error.what();
  }
}

bool DirectoryProbe::appears(int rank, std::chrono::steady_clock::time_point deadline) const {
  const fs::path file = file_of(rank);
  while (true) {
    try {
      if (read_text_file(file) == id_) return true;
    } catch (const UserError&) {
      refresh(directory_);
    }
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kRetry);
  }
}

// Between the first and the last collective call nothing may throw on one rank alone.
std::vector<DirectoryFact> DirectoryProbe::look() {
  const bool first = coordinator_.rank() == 0;
  id_ = coordinator_.broadcast(first ? random_hex(16) : "", 0);
  DirectoryFact mine;
  if (first) {
    try {
      make_folders();
    } catch (const std::exception& error) {
      mine.cannot_write = error.what();
    }
    if (mine.cannot_write.empty()) write_own(mine);
  }
  // Nobody looks before everything is there, so that no file system remembers that it was not.
  const bool made = coordinator_.broadcast(mine.cannot_write.empty() ? "y" : "", 0) == "y";
  std::error_code none;
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  if (made) {
    mine.sees_rank_0 = first || appears(0, deadline);
    if (!first && (mine.sees_rank_0 || fs::is_directory(directory_, none))) write_own(mine);
  }
  mine.exists = fs::is_directory(directory_, none);
  mine.mount = mount_of(directory_);
  const std::vector<std::string> all = coordinator_.gather(encode(mine), 0);

  std::vector<DirectoryFact> facts(static_cast<std::size_t>(coordinator_.size()));
  facts[static_cast<std::size_t>(coordinator_.rank())] = mine;
  const auto second_deadline = std::chrono::steady_clock::now() + patience_;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {  // on rank 0
    facts[rank] = parse_json<nlohmann::json>(all[rank]).get<DirectoryFact>();
    const bool wrote = made && facts[rank].exists && facts[rank].cannot_write.empty();
    // A rank that does not see rank 0's file has its own directory: nothing will appear.
    const auto until = facts[rank].sees_rank_0 ? second_deadline : std::chrono::steady_clock::now();
    facts[rank].seen_by_rank_0 = wrote && appears(static_cast<int>(rank), until);
  }
  coordinator_.barrier();  // rank 0 has looked
  fs::remove(file_of(coordinator_.rank()), none);
  coordinator_.barrier();  // no file is left: rank 0 can remove the folders
  return facts;
}

DirectoryProbe::~DirectoryProbe() {
  std::error_code none;
  for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) fs::remove(*folder, none);
}

Verdict judge_directory(const std::vector<Seen<DirectoryFact>>& all, const std::string& name) {
  Verdict verdict;
  const DirectoryFact& first = all.front().fact;
  const std::string& first_host = all.front().host;
  const auto where = [](const DirectoryFact& fact) {
    return fact.mount.empty() ? std::string() : fmt::format(" ({})", fact.mount);
  };
  for (const auto& one : all) {
    const DirectoryFact& fact = one.fact;
    if (!fact.cannot_write.empty()) {
      auto [what, remedy] = split_advice(fact.cannot_write);
      verdict.fail(one, fmt::format("{}: {}", name, what), remedy);
      continue;
    }
    if (!first.cannot_write.empty()) continue;  // nothing could be found out
    if (!fact.exists) {
      verdict.fail(one,
                   fmt::format("{}: was made by rank 0 on {}{} and is not there on this "
                               "host{}: it is not shared",
                               name, first_host, where(first), where(fact)),
                   "give a directory on a file system that all hosts share, or mount it on this "
                   "host too");
    } else if (!fact.sees_rank_0 || !fact.seen_by_rank_0) {
      verdict.fail(one,
                   fmt::format("{}: is another directory on this host{} than on {}{}: it "
                               "is not shared, {}",
                               name, where(fact), first_host, where(first),
                               fact.sees_rank_0 ? "rank 0 does not see what is written here"
                                                : "what rank 0 writes is not there"),
                   "give a directory on a file system that all hosts share, or mount it on this "
                   "host too");
    }
  }
  verdict.summary = all.size() == 1 ? fmt::format("{} can be written to{}", name, where(first))
                                    : fmt::format("{} is shared{}", name, where(first));
  return verdict;
}

}  // namespace longhaul::preflight
