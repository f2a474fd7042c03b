#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "metrics/humanize.h"
#include "preflight/finding.h"

namespace longhaul::preflight {
namespace {

constexpr std::size_t kColumns = 5;
constexpr std::size_t kGap = 2;
constexpr std::size_t kMostHosts = 6;       // named in a row; more are counted
constexpr std::size_t kWidestRanks = 16;    // columns of text that are wrapped beyond this
constexpr std::size_t kNarrowestText = 24;  // of "what" and "remedy", however small the terminal
constexpr double kShareOfWhat = 0.55;       // of the room that both have

/// Findings that say the same.
struct Row {
  Finding first;
  std::vector<int> ranks;
  std::vector<std::string> hosts;
};

std::vector<Row> merge(const std::vector<Finding>& findings) {
  std::vector<Row> rows;
  for (const Severity severity : {Severity::failure, Severity::warning}) {
    for (const Finding& finding : findings) {
      if (finding.severity != severity) continue;
      auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& other) {
        return other.first.severity == severity && other.first.what == finding.what &&
               other.first.remedy == finding.remedy;
      });
      if (row == rows.end()) row = rows.insert(row, Row{finding, {}, {}});
      row->ranks.push_back(finding.rank);
      if (std::find(row->hosts.begin(), row->hosts.end(), finding.host) == row->hosts.end()) {
        row->hosts.push_back(finding.host);
      }
    }
  }
  return rows;
}

using Lines = std::vector<std::string>;

/// Words in lines of at most `width` columns; a longer word has a line of its own.
Lines wrap(std::string_view text, std::size_t width) {
  Lines lines{""};
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    const std::string_view word = text.substr(0, end);
    const std::size_t columns = display_width(word);
    if (used > 0 && used + 1 + columns > width) {
      lines.emplace_back();
      used = 0;
    }
    if (used > 0) {
      lines.back() += ' ';
      ++used;
    }
    lines.back() += word;
    used += columns;
    const bool new_line = end < text.size() && text[end] == '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
    if (new_line) {
      lines.emplace_back();
      used = 0;
    }
  }
  return lines;
}

std::size_t widest(const Lines& lines) {
  std::size_t width = 0;
  for (const std::string& line : lines) width = std::max(width, display_width(line));
  return width;
}

Lines host_lines(const std::vector<std::string>& hosts) {
  if (hosts.size() <= kMostHosts) return hosts;
  Lines lines(hosts.begin(), hosts.begin() + kMostHosts - 1);
  lines.push_back(fmt::format("and {} more", hosts.size() - lines.size()));
  return lines;
}

std::string draw(const std::array<Lines, kColumns>& cells,
                 const std::array<std::size_t, kColumns>& widths) {
  std::size_t height = 0;
  for (const Lines& cell : cells) height = std::max(height, cell.size());
  std::string text;
  for (std::size_t i = 0; i < height; ++i) {
    std::string line = " ";
    std::size_t used = 0;
    std::size_t place = 0;
    for (std::size_t column = 0; column < kColumns; ++column) {
      if (i < cells[column].size() && !cells[column][i].empty()) {
        line += std::string(place > used ? place - used : (used > 0 ? 1 : 0), ' ');
        line += cells[column][i];
        used = std::max(place, used) + display_width(cells[column][i]);
      }
      place += widths[column] + kGap;
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace

std::string finding_table(const std::vector<Finding>& findings, std::size_t width) {
  const std::vector<Row> rows = merge(findings);
  std::vector<std::array<Lines, kColumns>> cells{
      {Lines{""}, Lines{"host"}, Lines{"ranks"}, Lines{"what"}, Lines{"remedy"}}};
  for (const Row& row : rows) {
    cells.push_back({Lines{row.first.severity == Severity::failure ? "failed" : "warning"},
                     host_lines(row.hosts), wrap(rank_ranges(row.ranks), kWidestRanks), Lines{},
                     Lines{}});
  }
  std::array<std::size_t, kColumns> widths{};
  for (const auto& row : cells) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], widest(row[i]));
  }
  if (width == kNoWrapping) {
    widths[3] = widths[4] = kNoWrapping;
  } else {
    const std::size_t fixed = widths[0] + widths[1] + widths[2] + 4 * kGap + 1;
    const std::size_t room =
        std::max(2 * kNarrowestText, width > fixed ? width - fixed : std::size_t{0});
    widths[3] = static_cast<std::size_t>(static_cast<double>(room) * kShareOfWhat);
    widths[4] = room - widths[3];
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    cells[i + 1][3] = wrap(rows[i].first.what, widths[3]);
    cells[i + 1][4] = wrap(rows[i].first.remedy, widths[4]);
  }
  for (const std::size_t column : {std::size_t{3}, std::size_t{4}}) {
    std::size_t used = 0;
    for (const auto& row : cells) used = std::max(used, widest(row[column]));
    widths[column] = std::min(widths[column], used);
  }
  std::string text = draw(cells.front(), widths);
  const std::size_t rule = std::accumulate(widths.begin(), widths.end(), 4 * kGap);
  text += fmt::format(" {:-<{}}\n", "", rule);
  for (std::size_t i = 1; i < cells.size(); ++i) text += draw(cells[i], widths);
  return text;
}

}  // namespace longhaul::preflight
