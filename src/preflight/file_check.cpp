#include "preflight/file_check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "core/error.h"
#include "core/file.h"
#include "core/humanize.h"
#include "core/sha256.h"
#include "preflight/majority.h"

namespace longhaul::preflight {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kDigestBytes = 65536;  // at each end
constexpr std::int64_t kSameTime = 2;         // seconds: some file systems round

std::string digest_of(const FileDescriptor& fd, std::int64_t bytes, const fs::path& path) {
  const std::int64_t part = std::min(bytes, kDigestBytes);
  std::string text(static_cast<std::size_t>(2 * part), '\0');
  read_at(fd, 0, text.data(), static_cast<std::size_t>(part), path);
  read_at(fd, bytes - part, text.data() + part, static_cast<std::size_t>(part), path);
  return sha256_hex(text).substr(0, 16);
}

const FileFact* find(const FileFacts& files, const std::string& path) {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const FileFact& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

/// Judges one path, as the ranks see it that know of it.
void judge_file(const std::vector<Seen<FileFact>>& all, const std::string& what, Times times,
                Verdict& verdict) {
  std::vector<Seen<FileFact>> readable;
  for (const auto& one : all) {
    if (one.fact.problem.empty()) readable.push_back(one);
  }
  for (const auto& one : all) {
    if (one.fact.problem.empty()) continue;
    auto [problem, remedy] = split_advice(one.fact.problem);
    if (!readable.empty()) {
      remedy = fmt::format(
          "it is fine on {}: mount the file system that holds it on this host too, or copy it "
          "there under the same path",
          readable.front().host);
    }
    verdict.fail(one, std::move(problem), std::move(remedy));
  }
  if (readable.empty()) return;
  const auto content = [](const auto& one) {
    return fmt::format("{} {}", one.fact.bytes, one.fact.digest);
  };
  const auto& usual = of_the_majority(readable, content);
  for (const auto& one : readable) {
    const FileFact& file = one.fact;
    if (content(one) != content(usual)) {
      const std::string difference =
          file.bytes != usual.fact.bytes
              ? fmt::format("has {} bytes here, {} on {}", file.bytes, usual.fact.bytes, usual.host)
              : fmt::format("differs in content from the one on {}", usual.host);
      verdict.fail(one, fmt::format("{} {}: {}", what, file.path, difference),
                   "copy it again, or put it on a file system that all hosts share");
    } else if (times == Times::compared &&
               std::abs(file.modified - usual.fact.modified) > kSameTime) {
      verdict.warn(one,
                   fmt::format("{} {}: was modified at another time than the one on {}; size, "
                               "beginning and end are equal",
                               what, file.path, usual.host),
                   "if one of the copies was edited, copy it again (rsync -t keeps times)");
    }
  }
}

/// What else lies in a model's folder may differ between hosts.
bool is_read_of_a_model(const fs::path& path) {
  constexpr std::array<std::string_view, 7> kNames{"config.json",
                                                   "model.safetensors.index.json",
                                                   "tokenizer.json",
                                                   "tokenizer_config.json",
                                                   "chat_template.jinja",
                                                   "chat_template.json",
                                                   "seal.txt"};
  const std::string name = path.filename().string();
  const std::string kind = path.extension().string();
  return kind == ".safetensors" || kind == ".h5" ||
         std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

FileFact look_at_file(const fs::path& path, const std::function<void(const fs::path&)>& examine) {
  FileFact fact;
  fact.path = path.string();
  try {
    if (examine) examine(path);
    const FileDescriptor fd = open_to_read(path);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
      user_error("{}: is not a regular file; check the path", path.string());
    }
    fact.bytes = status.st_size;
    fact.modified = status.st_mtime;
    fact.digest = digest_of(fd, fact.bytes, path);
  } catch (const UserError& error) {
    fact.problem = error.what();
  }
  return fact;
}

Verdict judge_files(const std::vector<Seen<FileFacts>>& all, const std::string& what, Times times) {
  Verdict verdict;
  std::vector<std::string> paths;
  for (const auto& one : all) {
    for (const FileFact& file : one.fact) {
      if (std::find(paths.begin(), paths.end(), file.path) == paths.end()) {
        paths.push_back(file.path);
      }
    }
  }
  std::int64_t bytes = 0;
  for (const std::string& path : paths) {
    std::vector<Seen<FileFact>> seen;
    std::int64_t largest = 0;
    const Seen<FileFacts>* listed = nullptr;
    for (const auto& one : all) {
      const FileFact* const file = find(one.fact, path);
      if (file == nullptr) continue;
      listed = &one;
      largest = std::max(largest, file->bytes);
      seen.push_back({one.rank, one.host, *file});
    }
    bytes += largest;
    judge_file(seen, what, times, verdict);
    for (const auto& one : all) {
      if (find(one.fact, path) != nullptr) continue;
      verdict.fail(one, fmt::format("{} {}: is not there", what, path),
                   fmt::format("it is on {}: mount the file system that holds it on this host "
                               "too, or copy it there under the same path",
                               listed->host));
    }
  }
  verdict.summary = fmt::format("{}, {}", counted(std::ssize(paths), what), human_bytes(bytes));
  return verdict;
}

std::vector<fs::path> model_files(const fs::path& weights, const fs::path& tokenizer) {
  std::vector<fs::path> files;
  for (const fs::path& folder : {weights, tokenizer}) {
    std::error_code error;
    std::vector<fs::path> here;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
      if (is_read_of_a_model(entry.path())) here.push_back(entry.path());
    }
    if (error) throw UserError(io_error_text(folder, "cannot be listed", error.value()));
    if (here.empty()) {
      user_error("{}: holds none of a model's files; give a complete Hugging Face model directory",
                 folder.string());
    }
    std::sort(here.begin(), here.end());
    files.insert(files.end(), here.begin(), here.end());
    if (tokenizer == weights) break;
  }
  return files;
}

}  // namespace longhaul::preflight
