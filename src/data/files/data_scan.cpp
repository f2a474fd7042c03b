#include "data/files/data_scan.h"

#include <charconv>
#include <string_view>

#include "core/error.h"
#include "core/in_parallel.h"
#include "core/rounding.h"
#include "core/sha256.h"

namespace longhaul {
namespace {

std::int64_t parse_integer(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Ranks on different hosts must see the same files.
void compare_sizes(Coordinator& coordinator, const std::vector<DataFile>& files) {
  std::string mine = coordinator.host();
  for (const DataFile& file : files) mine += fmt::format("\n{}", file.bytes);
  const std::vector<std::string> all = coordinator.all_gather(mine);
  const auto sizes = [](const std::string& text) { return text.substr(text.find('\n')); };
  const auto host = [](const std::string& text) { return text.substr(0, text.find('\n')); };
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (sizes(all[rank]) != sizes(all[0])) {
      user_error(
          "the data files have other sizes on rank {} ({}) than on rank 0 ({}); all ranks must see "
          "the same files, for example on a shared file system",
          rank, host(all[rank]), host(all[0]));
    }
  }
}

}  // namespace

DataScan scan_data_files(Coordinator& coordinator, const std::vector<std::filesystem::path>& paths,
                         std::int64_t block_bytes, int threads) {
  DataScan scan;
  scan.block_bytes = block_bytes;
  coordinator.run_collectively([&] {
    for (const auto& path : paths) scan.files.push_back(find_data_file(path));
  });
  coordinator.run_collectively([&] { compare_sizes(coordinator, scan.files); });
  scan.blocks = make_blocks(scan.files, block_bytes);

  // Rank r reads blocks r, r + ranks, ...; then everyone learns of all.
  const auto blocks = static_cast<std::int64_t>(scan.blocks.size());
  const std::int64_t ranks = coordinator.size();
  const std::int64_t mine = ceil_div(blocks - coordinator.rank(), ranks);
  std::vector<BlockSummary> summaries(static_cast<std::size_t>(mine));
  coordinator.run_collectively([&] {
    in_parallel(mine, threads, [&](int, std::int64_t i) {
      coordinator.progress().beat();
      const RowBlock& block = scan.blocks[static_cast<std::size_t>(coordinator.rank() + i * ranks)];
      summaries[static_cast<std::size_t>(i)] =
          summarize_block(scan.files[static_cast<std::size_t>(block.file)], block);
    });
  });
  std::string lines;
  for (const BlockSummary& summary : summaries) {
    lines += fmt::format("{} {:>10}\n", summary.sha256, summary.line_ends);
  }
  const std::vector<std::string> all = coordinator.all_gather(lines);
  constexpr std::size_t kHashLength = 64;
  constexpr std::size_t kLineLength = kHashLength + 12;

  std::vector<std::string> hashes(scan.files.size());
  std::vector<std::int64_t> line_ends(scan.files.size(), 0);
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::string_view line =
        std::string_view(all[static_cast<std::size_t>(i % ranks)])
            .substr(static_cast<std::size_t>(i / ranks) * kLineLength, kLineLength);
    const auto file = static_cast<std::size_t>(scan.blocks[static_cast<std::size_t>(i)].file);
    hashes[file] += line.substr(0, kHashLength);
    scan.line_ends_before.push_back(line_ends[file]);
    const std::string_view number = line.substr(kHashLength + 1, 10);
    line_ends[file] += parse_integer(number.substr(number.find_first_not_of(' ')));
  }
  for (const std::string& concatenated : hashes)
    scan.file_hashes.push_back(sha256_hex(concatenated));
  return scan;
}

}  // namespace longhaul
