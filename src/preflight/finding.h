#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longhaul::preflight {

/// A failure keeps the run from starting; with warnings it goes on.
enum class Severity : std::uint8_t { warning, failure };

/// Something that a check has found on one rank.
struct Finding {
  Severity severity = Severity::failure;
  int rank = 0;
  std::string host;    // of that rank
  std::string what;    // what is wrong, with names and numbers
  std::string remedy;  // what the user can do about it
};

/// "0-3, 7": rank numbers in ascending order, runs of them joined.
std::string rank_ranges(std::vector<int> ranks);

/// Takes the text of an error apart where our messages end what is wrong and begin what to do: at
/// the end of the first sentence, else at the last "; ". The second part is empty when there is
/// neither.
std::pair<std::string, std::string> split_advice(std::string_view text);

/// A width at which the rows of finding_table() are single lines, but for hosts and many ranks.
inline constexpr std::size_t kNoWrapping = static_cast<std::size_t>(-1);

/// The findings as one table of severity, host, ranks, what and remedy, at most `width` columns
/// where words allow it, failures first. Findings that differ in rank and host alone are one row.
/// Lines end with a newline.
std::string finding_table(const std::vector<Finding>& findings, std::size_t width);

}  // namespace longhaul::preflight
