#include "data/files/unpacked_files.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/humanize.h"
#include "core/in_parallel.h"
#include "data/files/cache_temporary.h"
#include "data/files/unpacking_stream.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

/// The temporary files are touched this often, so that nobody takes them for abandoned.
constexpr double kTouchSeconds = 60.0;
constexpr std::size_t kPieceBytes = std::size_t{1} << 18;

/// Numbers of the packed files, the largest first: who begins with the longest work ends soonest.
std::vector<std::size_t> packed_files(const std::vector<DataFile>& files) {
  std::vector<std::size_t> packed;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].compression != Compression::none) packed.push_back(i);
  }
  std::stable_sort(packed.begin(), packed.end(),
                   [&](std::size_t a, std::size_t b) { return files[a].bytes > files[b].bytes; });
  return packed;
}

std::int64_t total_bytes(const std::vector<DataFile>& files,
                         const std::vector<std::size_t>& which) {
  std::int64_t total = 0;
  for (const std::size_t file : which) total += files[file].bytes;
  return total;
}

/// Adds the newline characters of `text`, which begins at byte `at` of the file, to their blocks.
void count_line_ends(std::string_view text, std::int64_t at, std::int64_t block_bytes,
                     std::vector<std::int64_t>& line_ends) {
  while (!text.empty()) {
    const auto block = static_cast<std::size_t>(at / block_bytes);
    const std::int64_t left = block_bytes - at % block_bytes;
    const std::string_view piece = text.substr(0, static_cast<std::size_t>(left));
    line_ends.resize(block + 1);
    line_ends[block] += std::count(piece.begin(), piece.end(), '\n');
    at += std::ssize(piece);
    text.remove_prefix(piece.size());
  }
}

/// On a network file system a file of another host may show up late.
void wait_for(const fs::path& file, std::int64_t bytes) {
  constexpr auto kPatience = std::chrono::seconds(15);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::error_code error;
  while (static_cast<std::int64_t>(fs::file_size(file, error)) != bytes || error) {
    if (std::chrono::steady_clock::now() > deadline) {
      user_error(
          "{}: another rank unpacked a data file to it, but it cannot be seen here as written; "
          "name "
          "a folder that all hosts share with --token_cache_dir",
          file.string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

UnpackedText unpack_file(const DataFile& file, const fs::path& target, std::int64_t block_bytes,
                         SyncFile sync, const std::function<void()>& beat) {
  const std::string name = file.path.string();
  std::ifstream input(file.path, std::ios::binary);
  if (!input) user_error("{}: cannot be opened; check the path and its permissions", name);
  Unpacker unpacker(*input.rdbuf(), name);
  UnpackedText text;
  std::vector<char> buffer(kPieceBytes);
  const auto writing = [&](const auto& work) {
    try {
      return work();
    } catch (const UserError& error) {
      user_error("{}: has no room to be unpacked in beside the token cache (--token_cache_dir); {}",
                 name, error.what());
    }
  };
  const FileDescriptor output = writing([&] {
    create_file(target);
    return open_to_append(target, AppendTo::existing_or_new);
  });
  while (const std::size_t got = unpacker.read(buffer)) {
    const std::string_view piece(buffer.data(), got);
    writing([&] { append_text(output, piece, target); });
    count_line_ends(piece, text.bytes, block_bytes, text.line_ends);
    text.bytes += static_cast<std::int64_t>(got);
    if (beat) beat();
  }
  if (unpacker.packed_bytes() != file.bytes) {
    user_error(
        "{}: changed from {} to {} bytes while it was being read; do not change data files "
        "during a start",
        name, file.bytes, unpacker.packed_bytes());
  }
  if (text.bytes == 0) {
    user_error("{}: is empty ({} data of 0 bytes); a JSON-lines file is expected", name,
               name_of(file.compression));
  }
  if (sync == SyncFile::yes) writing([&] { sync_file(output, target); });
  return text;
}

UnpackedFiles::UnpackedFiles(Coordinator& coordinator, const DataScan& scan,
                             const fs::path& cache_file, int threads, const Log& log)
    : scan_(scan) {
  const std::vector<std::size_t> packed = packed_files(scan.files);
  if (packed.empty()) return;
  log.info("unpacking {} of {} data files ({}) into {}", packed.size(), scan.files.size(),
           human_bytes(total_bytes(scan.files, packed)), cache_file.parent_path().string());
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0) remove_abandoned_temporaries(cache_file);
  });
  const auto ranks = static_cast<std::size_t>(coordinator.size());
  std::vector<std::size_t> mine;
  for (auto i = static_cast<std::size_t>(coordinator.rank()); i < packed.size(); i += ranks) {
    mine.push_back(packed[i]);
    mine_.paths.push_back(cache_temporary(cache_file, fmt::format("-text{}", packed[i])));
  }
  // A network file system's server must have it before other hosts look.
  const SyncFile sync = coordinator.sum(coordinator.local_size() < coordinator.size() ? 1 : 0) > 0
                            ? SyncFile::yes
                            : SyncFile::no;
  std::vector<UnpackedText> texts(mine.size());
  coordinator.run_collectively([&] {
    in_parallel(std::ssize(mine), threads, [&](int, std::int64_t number) {
      const auto i = static_cast<std::size_t>(number);
      texts[i] = unpack_file(scan.files[mine[i]], mine_.paths[i], scan.block_bytes, sync,
                             [&] { coordinator.progress().beat(); });
    });
  });
  share_texts(coordinator, scan, mine, texts);
  const double seconds = watch_.seconds();
  log.info("unpacked to {} in {:.2f} s", human_bytes(total_bytes(scan_.files, packed)), seconds);
  fresh_until_ = seconds + kTouchSeconds;
}

void UnpackedFiles::share_texts(Coordinator& coordinator, const DataScan& packed,
                                const std::vector<std::size_t>& mine,
                                const std::vector<UnpackedText>& texts) {
  std::string message;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    message += fmt::format("{} {} {}", mine[i], texts[i].bytes, mine_.paths[i].string());
    message += '\0';
    for (const std::int64_t count : texts[i].line_ends) message += fmt::format("{} ", count);
    message += '\n';
  }
  // The line ends of every file's blocks; those of plain files are known.
  std::vector<std::vector<std::int64_t>> line_ends(packed.files.size());
  for (const std::string& from_rank : coordinator.all_gather(message)) {
    std::istringstream lines(from_rank);
    std::size_t number = 0;
    while (lines >> number) {
      DataFile& file = scan_.files[number];
      std::string path;
      std::string counts;
      lines >> file.bytes;
      lines.get();
      std::getline(lines, path, '\0');
      file.unpacked = path;
      std::getline(lines, counts);
      std::istringstream of_blocks(counts);
      for (std::int64_t count = 0; of_blocks >> count;) line_ends[number].push_back(count);
    }
  }
  coordinator.run_collectively([&] {
    for (const DataFile& file : scan_.files) {
      if (!file.unpacked.empty()) wait_for(file.unpacked, file.bytes);
    }
  });

  scan_.blocks = make_blocks(scan_.files, scan_.block_bytes);
  scan_.line_ends_before.clear();
  std::size_t known = 0;  // block of `packed`
  std::int64_t before = 0;
  for (const RowBlock& block : scan_.blocks) {
    const auto file = static_cast<std::size_t>(block.file);
    if (scan_.files[file].unpacked.empty()) {
      while (packed.blocks[known].file != block.file || packed.blocks[known].begin != block.begin) {
        ++known;
      }
      scan_.line_ends_before.push_back(packed.line_ends_before[known]);
    } else {
      if (block.begin == 0) before = 0;
      scan_.line_ends_before.push_back(before);
      before += line_ends[file][static_cast<std::size_t>(block.begin / scan_.block_bytes)];
    }
  }
}

void UnpackedFiles::keep_fresh() {
  if (mine_.paths.empty() || watch_.seconds() < fresh_until_) return;
  fresh_until_ = watch_.seconds() + kTouchSeconds;
  std::error_code ignored;
  for (const fs::path& path : mine_.paths) {
    fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  }
}

UnpackedFiles::Temporaries::~Temporaries() {
  std::error_code ignored;
  for (const fs::path& path : paths) fs::remove(path, ignored);
}

}  // namespace longhaul
