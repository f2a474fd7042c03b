#include "bench/lengths.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "metrics/humanize.h"

namespace longhaul::bench {
namespace {

// Positions and rows of a stream are counted in 32 bits.
constexpr std::int64_t kMostTokens = std::numeric_limits<std::int32_t>::max();

std::int64_t parse_length(std::string_view text, std::string_view where) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  std::int64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc{} || end != text.data() + text.size() || length < 1 ||
      length > kMostTokens) {
    user_error("{}: '{}' is no length of a document; give whole numbers from 1 on", where, text);
  }
  return length;
}

std::vector<std::int64_t> parse_list(const std::string& text) {
  std::vector<std::int64_t> lengths;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    lengths.push_back(parse_length(part, fmt::format("--lengths {}", text)));
  }
  return lengths;
}

std::vector<std::int64_t> read_file(const std::string& path) {
  std::vector<std::int64_t> lengths;
  std::istringstream stream(read_text_file(path));
  std::int64_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    lengths.push_back(parse_length(line, fmt::format("--lengths_file {}:{}", path, number)));
  }
  if (lengths.empty()) user_error("--lengths_file {}: holds no lengths; one a line", path);
  return lengths;
}

}  // namespace

std::vector<std::int64_t> equal_lengths(std::int64_t tokens, std::int64_t documents) {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(documents), tokens / documents);
  std::fill_n(lengths.begin(), tokens % documents, tokens / documents + 1);
  return lengths;
}

std::vector<std::int64_t> document_lengths(const LengthFlags& flags, std::int64_t default_tokens) {
  const int ways = (flags.lengths.empty() ? 0 : 1) + (flags.lengths_file.empty() ? 0 : 1) +
                   (flags.documents == 0 ? 0 : 1);
  if (ways > 1) user_error("give one of --lengths, --lengths_file and --documents");
  if (flags.tokens < 0 || flags.tokens > kMostTokens) {
    user_error("--tokens {}: must be between 1 and {}", flags.tokens, kMostTokens);
  }
  if (flags.lengths.empty() && flags.lengths_file.empty()) {
    const std::int64_t tokens = flags.tokens > 0 ? flags.tokens : default_tokens;
    const std::int64_t documents = flags.documents == 0 ? 1 : flags.documents;
    if (documents < 1 || documents > tokens) {
      user_error("--documents {}: must be between 1 and the {} tokens", documents, tokens);
    }
    return equal_lengths(tokens, documents);
  }
  std::vector<std::int64_t> lengths =
      flags.lengths_file.empty() ? parse_list(flags.lengths) : read_file(flags.lengths_file);
  const std::int64_t tokens = sum_of(lengths);
  if (flags.tokens > 0 && flags.tokens != tokens) {
    user_error("--tokens {}: the lengths add up to {}; leave --tokens out", flags.tokens, tokens);
  }
  if (tokens > kMostTokens) {
    user_error("the lengths add up to {} tokens; at most {} fit into a stream", tokens,
               kMostTokens);
  }
  return lengths;
}

std::int64_t sum_of(const std::vector<std::int64_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

double sum_of_squares_of(const std::vector<std::int64_t>& lengths) {
  double sum = 0.0;
  for (const std::int64_t length : lengths) {
    sum += static_cast<double>(length) * static_cast<double>(length);
  }
  return sum;
}

std::string describe_lengths(const std::vector<std::int64_t>& lengths) {
  const auto [least, most] = std::minmax_element(lengths.begin(), lengths.end());
  const std::string range =
      *least == *most ? grouped(*least) : fmt::format("{} to {}", grouped(*least), grouped(*most));
  return fmt::format("{} document{} of {}", grouped(static_cast<std::int64_t>(lengths.size())),
                     lengths.size() == 1 ? "" : "s", range);
}

}  // namespace longhaul::bench
