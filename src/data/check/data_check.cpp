#include "data/check/data_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <span>
#include <unordered_map>
#include <utility>
#include <variant>

#include "core/in_parallel.h"
#include "core/sha256.h"
#include "data/check/row_findings.h"

namespace longhaul {
namespace {

/// Blocks of a thread between two merges, if there are enough: evens out how long blocks take.
constexpr std::int64_t kBlocksPerThread = 4;
/// Stands for the file's name where a row without an id is named by its line: no id of a row
/// begins like this.
constexpr const char* kNoFile = "\x1f";

/// Half of an id's SHA-256: equal for equal ids, and for no others.
struct IdHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const IdHash&) const = default;
};

struct UseLowBits {
  std::size_t operator()(const IdHash& hash) const noexcept { return hash.low; }
};

IdHash hash_id(const std::string& id) {
  const std::string digits = sha256_hex(id);
  IdHash hash;
  std::from_chars(digits.data(), digits.data() + 16, hash.low, 16);
  std::from_chars(digits.data() + 16, digits.data() + 32, hash.high, 16);
  return hash;
}

/// What a row was found to be. Lines are counted from the block's begin until it is merged.
struct CheckedRow {
  std::int64_t line = 0;
  std::string id;
  IdHash hash;
  std::string reason;  // empty: accepted
  std::vector<RowFinding> findings;
};

struct CheckedBlock {
  std::vector<CheckedRow> rows;
  std::int64_t line_ends = 0;
  std::map<std::string, std::int64_t> messages;
  std::int64_t with_tools = 0;
  std::int64_t with_tool_calls = 0;
  std::int64_t with_reasoning = 0;
  std::int64_t with_loss = 0;
  std::int64_t without_id = 0;
  std::int64_t without_assistant = 0;
};

void count_row(const Row& row, CheckedBlock& block) {
  const auto any = [&](auto&& test) {
    return std::any_of(row.messages.begin(), row.messages.end(), test) ? 1 : 0;
  };
  for (const Message& message : row.messages) ++block.messages[message.role];
  block.with_tools += row.tools.truthy() ? 1 : 0;
  block.with_tool_calls += any([](const Message& m) { return m.tool_calls.truthy(); });
  block.with_reasoning += any([](const Message& m) { return m.reasoning_content.truthy(); });
  block.with_loss += any([](const Message& m) { return m.loss.has_value(); });
  block.without_assistant += 1 - any([](const Message& m) { return m.role == "assistant"; });
}

void check_line(const LineReader::Line& line, CheckedBlock& block) {
  CheckedRow& out = block.rows.emplace_back();
  out.line = line.number;
  auto parsed = parse_line(line, kNoFile, RowForm::training);
  if (auto* rejected = std::get_if<RejectedRow>(&parsed)) {
    out.id = std::move(rejected->id);
    out.reason = std::move(rejected->reason);
  } else {
    Row& row = std::get<Row>(parsed);
    count_row(row, block);
    out.findings = find_suspicious(row);
    const bool unnamed = row.id == fmt::format("{}:{}", kNoFile, line.number);
    block.without_id += unnamed ? 1 : 0;
    if (!unnamed) out.id = std::move(row.id);
  }
  if (!out.id.empty()) out.hash = hash_id(out.id);
}

CheckedBlock check_block(const DataFile& file, const RowBlock& block) {
  CheckedBlock checked;
  for_each_line(file, block, 0, [&](const LineReader::Line& line) { check_line(line, checked); });
  checked.line_ends = summarize_block(file, block).line_ends;
  return checked;
}

/// Puts the blocks' findings together in file order.
class Merger {
 public:
  Merger(const std::vector<DataFile>& files, const CheckOptions& options) : options_(options) {
    for (const DataFile& file : files) check_.files.push_back({file, 0, 0, 0});
  }

  void add(std::int32_t file, CheckedBlock block) {
    DataCheck::File& counts = check_.files[static_cast<std::size_t>(file)];
    const std::int64_t lines_before = file == file_ ? line_ends_ : 0;
    for (CheckedRow& row : block.rows) {
      row.line += lines_before;
      add_row(counts, {file, row.line}, row);
      counts.lines = row.line;  // the last line may have no end
    }
    file_ = file;
    line_ends_ = lines_before + block.line_ends;
    counts.lines = std::max(counts.lines, line_ends_);
    for (const auto& [role, count] : block.messages) check_.messages[role] += count;
    check_.with_tools += block.with_tools;
    check_.with_tool_calls += block.with_tool_calls;
    check_.with_reasoning += block.with_reasoning;
    check_.with_loss += block.with_loss;
    check_.without_id += block.without_id;
    check_.without_assistant += block.without_assistant;
  }

  DataCheck finish() {
    check_.rejected = sorted(rejected_);
    check_.suspicious = sorted(suspicious_);
    return std::move(check_);
  }

 private:
  using Groups = std::map<std::string, DataCheck::Group>;

  void add_row(DataCheck::File& counts, DataCheck::Place place, CheckedRow& row) {
    if (!row.id.empty()) add_id(row, place);
    if (row.reason.empty()) {
      ++counts.accepted;
    } else {
      ++counts.rejected;
      add_to(rejected_, reason_group(row.reason), {place, row.id, row.reason});
      if (options_.on_rejected) {
        options_.on_rejected({counts.file.path.string(), place.line, -1, row.id, row.reason});
      }
    }
    for (RowFinding& finding : row.findings) {
      add_to(suspicious_, finding.kind, {place, row.id, std::move(finding.detail)});
    }
  }

  void add_id(const CheckedRow& row, DataCheck::Place place) {
    const auto [found, is_new] = ids_.try_emplace(row.hash, Seen{place, false});
    if (is_new) return;
    ++check_.duplicate_rows;
    check_.duplicated_ids += found->second.again ? 0 : 1;
    found->second.again = true;
    if (static_cast<std::int64_t>(check_.duplicates.size()) < options_.examples) {
      check_.duplicates.push_back({row.id, found->second.first, place});
    }
  }

  void add_to(Groups& groups, const std::string& name, DataCheck::Example example) const {
    DataCheck::Group& group = groups[name];
    ++group.rows;
    if (static_cast<std::int64_t>(group.examples.size()) < options_.examples) {
      group.examples.push_back(std::move(example));
    }
  }

  static std::vector<DataCheck::Group> sorted(Groups& groups) {
    std::vector<DataCheck::Group> list;
    for (auto& [name, group] : groups) {
      group.name = name;
      list.push_back(std::move(group));
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const auto& a, const auto& b) { return a.rows > b.rows; });
    return list;
  }

  struct Seen {
    DataCheck::Place first;
    bool again = false;
  };

  const CheckOptions& options_;
  DataCheck check_;
  Groups rejected_;
  Groups suspicious_;
  std::unordered_map<IdHash, Seen, UseLowBits> ids_;
  std::int32_t file_ = -1;  // the file of the block that was added last
  std::int64_t line_ends_ = 0;
};

/// Adds all blocks of `files`, none of them packed, the first of which has number `first`.
void check_blocks(std::span<const DataFile> files, std::int32_t first, const CheckOptions& options,
                  Merger& merger) {
  const std::vector<RowBlock> blocks = make_blocks(files, options.block_bytes);
  const auto count = static_cast<std::int64_t>(blocks.size());
  const std::int64_t wave = kBlocksPerThread * std::max(options.threads, 1);
  for (std::int64_t begin = 0; begin < count; begin += wave) {
    std::vector<CheckedBlock> checked(static_cast<std::size_t>(std::min(wave, count - begin)));
    in_parallel(static_cast<std::int64_t>(checked.size()), options.threads,
                [&](int /*thread*/, std::int64_t i) {
                  const RowBlock& block = blocks[static_cast<std::size_t>(begin + i)];
                  checked[static_cast<std::size_t>(i)] =
                      check_block(files[static_cast<std::size_t>(block.file)], block);
                });
    std::int64_t bytes = 0;
    for (std::size_t i = 0; i < checked.size(); ++i) {
      const RowBlock& block = blocks[static_cast<std::size_t>(begin) + i];
      merger.add(first + block.file, std::move(checked[i]));
      bytes += block.end - block.begin;
    }
    if (options.on_progress) options.on_progress(bytes);
  }
}

/// Adds the lines of file number `file`, read from begin to end.
void check_lines(LineReader& lines, std::int32_t file, const CheckOptions& options,
                 Merger& merger) {
  struct KeptLine {
    std::int64_t number;
    std::string text;
  };
  const std::int64_t wave = kBlocksPerThread * std::max(options.threads, 1);
  LineReader::Line line;
  for (bool more = true; more;) {
    // As much text as this many blocks of a file would have.
    std::vector<std::vector<KeptLine>> batches;
    std::int64_t batch_bytes = options.block_bytes;
    while (true) {
      const bool full = batch_bytes >= options.block_bytes;
      if (full && static_cast<std::int64_t>(batches.size()) == wave) break;
      more = lines.next(line);
      if (!more) break;
      if (full) {
        batches.emplace_back();
        batch_bytes = 0;
      }
      batches.back().push_back({line.number, std::string(line.text)});
      batch_bytes += static_cast<std::int64_t>(line.text.size());
    }
    std::vector<CheckedBlock> checked(batches.size());
    in_parallel(static_cast<std::int64_t>(batches.size()), options.threads,
                [&](int /*thread*/, std::int64_t i) {
                  const auto index = static_cast<std::size_t>(i);
                  for (const KeptLine& kept : batches[index]) {
                    check_line({kept.text, kept.number, 0}, checked[index]);
                  }
                });
    for (CheckedBlock& block : checked) merger.add(file, std::move(block));
  }
}

}  // namespace

std::int64_t DataCheck::accepted_rows() const {
  return std::accumulate(files.begin(), files.end(), std::int64_t{0},
                         [](std::int64_t sum, const File& file) { return sum + file.accepted; });
}

std::int64_t DataCheck::rejected_rows() const {
  return std::accumulate(files.begin(), files.end(), std::int64_t{0},
                         [](std::int64_t sum, const File& file) { return sum + file.rejected; });
}

DataCheck check_data(const std::vector<DataFile>& files, const CheckOptions& options) {
  Merger merger(files, options);
  const auto packed = [](const DataFile& file) { return file.compression != Compression::none; };
  for (auto file = files.begin(); file != files.end();) {
    const auto number = static_cast<std::int32_t>(file - files.begin());
    if (packed(*file)) {  // can only be read from its beginning
      LineReader lines(file->path);
      check_lines(lines, number, options, merger);
      if (options.on_progress) options.on_progress(file->bytes);
      ++file;
      continue;
    }
    const auto end = std::find_if(file, files.end(), packed);
    check_blocks({file, end}, number, options, merger);
    file = end;
  }
  return merger.finish();
}

DataCheck check_stream(LineReader& lines, const CheckOptions& options) {
  DataFile file;
  file.path = lines.name();
  Merger merger({file}, options);
  check_lines(lines, 0, options, merger);
  return merger.finish();
}

}  // namespace longhaul
