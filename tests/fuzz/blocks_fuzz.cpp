// Files read through blocks of any size give the lines of the whole file; samples of any length are
// cut and packed by the rules.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "data/batches/length_policy.h"
#include "data/batches/packing.h"
#include "data/rows/row_blocks.h"
#include "fuzz_support.h"

using namespace longhaul;
using fuzz::Choices;
using fuzz::require;
namespace fs = std::filesystem;

namespace {

using Lines = std::vector<std::pair<std::int64_t, std::string>>;

/// A file of this process, in memory where the system has a place for that.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_((fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) /
              ("longhaul-fuzz-" + std::to_string(getpid()))) {}
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void check_blocks(std::string_view content, std::int64_t block_bytes) {
  static const TemporaryFile file;
  std::ofstream(file.path(), std::ios::binary) << content;
  const DataFile data{
      file.path(), static_cast<std::int64_t>(content.size()), Compression::none, {}};
  Lines expected;
  std::istringstream stream{std::string(content)};
  LineReader reader(stream, "rows", StreamContent::text);
  LineReader::Line line;
  while (reader.next(line)) expected.emplace_back(line.number, line.text);

  Lines lines;
  std::int64_t line_ends = 0;
  for (const RowBlock& block : make_blocks({&data, 1}, block_bytes)) {
    for_each_line(data, block, line_ends, [&](const LineReader::Line& found) {
      lines.emplace_back(found.number, found.text);
    });
    line_ends += summarize_block(data, block).line_ends;
  }
  require(lines == expected, "blocks give the lines of the whole file");
}

void check_lengths(Choices choices) {
  const std::int64_t most = 1 + choices.number() % 2000;
  const auto strategy = static_cast<TruncationStrategy>(choices.below(4));
  const PackingMode mode =
      choices.below(4) == 0 ? PackingMode::one_sample : PackingMode::first_fit_decreasing;
  const auto window = static_cast<std::int64_t>(1 + choices.below(60));
  std::vector<std::int64_t> samples;
  std::vector<std::int64_t> lengths;
  while (!choices.empty()) {
    const std::int64_t length = 2 + choices.number() % 4000;
    const std::int64_t first = 1 + choices.number() % (length - 1);
    const std::int64_t last = first + choices.number() % (length - first);
    const KeptPart part = apply_length_policy(length, first, last, most, strategy);
    require(part.length >= 0 && part.length <= most, "no more is kept than fits");
    require(part.begin >= 0 && part.begin + part.length <= length, "a part of the sample is kept");
    require((part.verdict == LengthVerdict::whole) == (length <= most), "what fits is kept whole");
    require((part.length > 0) ==
                (part.verdict == LengthVerdict::whole || part.verdict == LengthVerdict::cut),
            "only what is kept has a length");
    if (part.verdict == LengthVerdict::cut) {
      require(first < part.begin + part.length && last > part.begin, "some loss is left");
    }
    if (part.length > 0) samples.push_back(static_cast<std::int64_t>(lengths.size()));
    lengths.push_back(part.length);
  }
  std::vector<int> seen(lengths.size());
  for (const Pack& pack : pack_samples(samples, lengths, most, mode, window)) {
    std::int64_t tokens = 0;
    std::int64_t squared = 0;
    for (const std::int64_t sample : pack.samples) {
      const std::int64_t length = lengths[static_cast<std::size_t>(sample)];
      ++seen[static_cast<std::size_t>(sample)];
      tokens += length;
      squared += length * length;
    }
    require(!pack.samples.empty() && tokens <= most, "a pack has samples, and fits");
    require(tokens == pack.tokens && squared == pack.sum_squared_lengths, "sums are right");
  }
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    require(seen[i] == (lengths[i] > 0 ? 1 : 0), "every sample is in one pack");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  const auto block_bytes = static_cast<std::int64_t>(1 + choices.byte() % 100);
  // Small inputs only: a block of one byte opens the file once a byte.
  if (size < 2000) check_blocks(choices.rest(), block_bytes);
  check_lengths(choices);
  return 0;
}
