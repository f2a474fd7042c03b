// longhaul data check: are the rows of these files fit for training?
#include "data/check/data_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <thread>
#include <vector>

#include "app/data/data_actions.h"
#include "app/data/data_check_text.h"
#include "app/flags/options.h"
#include "app/standard_output.h"
#include "core/error.h"
#include "core/file.h"
#include "hf/byte_progress.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

struct CheckFlags {
  std::vector<std::string> files;
  std::int64_t examples = 5;
  std::string json;
  std::string rejected;
  int threads = 0;
};

/// Empty for standard input.
std::vector<DataFile> find_files(const std::vector<std::string>& names) {
  if (names.empty()) {
    user_error("which files? Name JSON-lines files, as in 'longhaul data check rows.jsonl'");
  }
  std::vector<DataFile> files;
  if (names == std::vector<std::string>{"-"}) return files;
  for (const std::string& name : names) {
    if (name == "-") user_error("-, standard input, is read alone; leave out the other files");
    if (!fs::exists(name)) user_error("{}: cannot be found; check the path", name);
    files.push_back(find_data_file(name));
  }
  return files;
}

/// An output is written beside its place and moved there at the end, so it must not stand in the
/// way of anything.
void check_output(const char* flag, const std::string& path, const std::vector<DataFile>& files) {
  std::error_code ignored;
  if (path.empty()) return;
  // Now, and not after an hour of checking.
  const fs::path folder = fs::absolute(path).parent_path();
  if (!fs::is_directory(folder, ignored) || access(folder.c_str(), W_OK) != 0) {
    user_error("--{} {}: nothing can be written into {}; name another folder", flag, path,
               folder.string());
  }
  if (!fs::exists(path, ignored)) return;
  if (!fs::is_regular_file(path, ignored)) {
    user_error("--{} {}: is not a regular file; name a file to write", flag, path);
  }
  for (const DataFile& file : files) {
    if (fs::equivalent(path, file.path, ignored)) {
      user_error("--{} {}: is one of the files to check; name another", flag, path);
    }
  }
}

/// A rejected.jsonl in the making: takes its name when it is complete.
class RejectedFile {
 public:
  explicit RejectedFile(fs::path path) : path_(std::move(path)), temporary_(path_) {
    temporary_ += ".tmp";
    create_file(temporary_);
    file_ = open_to_append(temporary_, AppendTo::existing_or_new);
  }
  ~RejectedFile() {
    std::error_code ignored;
    if (!finished_) fs::remove(temporary_, ignored);
  }
  RejectedFile(const RejectedFile&) = delete;
  RejectedFile& operator=(const RejectedFile&) = delete;

  void add(const UnkeptRow& row) {
    constexpr std::size_t kWriteBytes = 1 << 20;
    append_rejected_line(text_, row);
    if (text_.size() >= kWriteBytes) write();
  }

  void finish() {
    write();
    sync_file(file_, temporary_);
    rename_path(temporary_, path_);
    finished_ = true;
  }

 private:
  void write() {
    append_text(file_, text_, temporary_);
    text_.clear();
  }

  fs::path path_;
  fs::path temporary_;
  FileDescriptor file_;
  std::string text_;
  bool finished_ = false;
};

DataCheck check(const std::vector<DataFile>& files, const CheckFlags& flags) {
  std::optional<RejectedFile> rejected;
  if (!flags.rejected.empty()) rejected.emplace(flags.rejected);
  CheckOptions options;
  options.threads = flags.threads > 0
                        ? flags.threads
                        : std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
  options.examples = flags.examples;
  if (rejected) options.on_rejected = [&](const UnkeptRow& row) { rejected->add(row); };
  DataCheck result;
  if (files.empty()) {
    std::ios::sync_with_stdio(false);  // lets std::cin buffer
    LineReader lines(std::cin, "stdin");
    result = check_stream(lines, options);
  } else {
    std::int64_t bytes = 0;
    for (const DataFile& file : files) bytes += file.bytes;
    ByteProgress progress("checking", bytes);
    options.on_progress = [&](std::int64_t done) { progress.add(done); };
    result = check_data(files, options);
  }
  if (rejected) rejected->finish();
  return result;
}

OptionTable check_table(CheckFlags& flags) {
  constexpr int kMostThreads = 1024;
  OptionTable table;
  OptionGroup group(table, "Check");
  group.add("files", &flags.files, "FILE...",
            "JSON-lines files, or - for standard input; also without the flag's name");
  group.add("examples", &flags.examples, "N", "rows to name for each reason, at most").at_least(0);
  group.add("json", &flags.json, "FILE",
            "write the result as JSON too; - writes it to standard output instead of the text");
  group.add("rejected", &flags.rejected, "FILE",
            "list every rejected row, in the form of training's rejected.jsonl");
  group.add("threads", &flags.threads, "N", "0: as many as there are cores")
      .between(0, kMostThreads);
  return table;
}

}  // namespace

int run_data_check(int argc, char** argv) {
  CheckFlags flags;
  OptionParser parser(
      "data check FILE... [flags]",
      "Reads rows as training does, without a model, and tells which are rejected and why, what "
      "looks\nlike a mistake, and which ids occur twice. Exit code: 0 when every row is accepted, "
      "1 when some\nare rejected, 2 when the check could not be made.",
      check_table(flags));
  parser.positional("files", -1);
  if (!parser.parse(argc, argv)) return kExitSuccess;

  const std::vector<DataFile> files = find_files(flags.files);
  const bool json_only = flags.json == "-";
  if (!json_only) check_output("json", flags.json, files);
  check_output("rejected", flags.rejected, files);
  if (!flags.json.empty() && flags.json == flags.rejected) {
    user_error("--json and --rejected name one file, {}; name two", flags.json);
  }
  const DataCheck result = check(files, flags);
  std::string text = json_only ? check_json(result) : check_text(result);
  write_output(text);
  if (!flags.json.empty() && !json_only) replace_text_file(flags.json, check_json(result));
  return result.rejected_rows() == 0 ? kExitSuccess : kExitFailure;
}

}  // namespace longhaul
