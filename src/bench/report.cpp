#include "bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/json.h"
#include "core/version.h"
#include "metrics/humanize.h"

namespace longhaul::bench {
namespace {

using json = nlohmann::ordered_json;

json to_json(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* count = std::get_if<std::int64_t>(&value)) return *count;
  // JSON has no numbers that are not finite.
  if (const auto* real = std::get_if<double>(&value); real != nullptr && std::isfinite(*real)) {
    return *real;
  }
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return nullptr;
}

json to_json(const std::vector<std::pair<std::string, Value>>& members) {
  json object = json::object();
  for (const auto& [key, value] : members) object[key] = to_json(value);
  return object;
}

std::string cell_text(const Value& value, const Column& column) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "yes" : "no";
  if (const auto* count = std::get_if<std::int64_t>(&value)) return grouped(*count);
  if (const auto* real = std::get_if<double>(&value)) {
    if (column.decimals == kSignificant) return fmt::format("{:.4g}", *real);
    return fmt::format("{:.{}f}", *real, column.decimals);
  }
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return "-";
}

/// Texts at the left, numbers at the right.
std::string padded(const std::string& text, const Column& column, bool left) {
  const int gap = std::max(0, column.width - static_cast<int>(display_width(text)));
  const std::string spaces(static_cast<std::size_t>(gap), ' ');
  return left ? text + spaces : spaces + text;
}

std::string joined(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) line += (line.empty() ? "" : "  ") + cell;
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

const Value& find(const std::vector<std::pair<std::string, Value>>& members, std::string_view key) {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.first == key; });
  LONGHAUL_CHECK(found != members.end(), "the report has no {}", key);
  return found->second;
}

}  // namespace

Value scaled(const std::optional<double>& value, double factor) {
  if (!value) return {};
  return *value * factor;
}

void Report::print_line(const std::string& text) const {
  if (out_ == nullptr) return;
  fmt::print(out_, "{}\n", text);
  std::fflush(out_);
}

void Report::set_device(std::string device) {
  device_ = std::move(device);
  print_line(fmt::format("Longhaul {}, bench {}: {}", kVersion, benchmark_, device_));
}

void Report::add_argument(std::string name, Value value) {
  arguments_.emplace_back(std::move(name), std::move(value));
}

void Report::add_result(std::string key, Value value) {
  results_.emplace_back(std::move(key), std::move(value));
}

void Report::say(std::string_view text) const { print_line(std::string(text)); }

void Report::set_columns(std::vector<Column> columns) {
  LONGHAUL_CHECK(rows_.empty(), "the table has begun");
  columns_ = std::move(columns);
}

void Report::add_row(std::vector<Value> cells) {
  LONGHAUL_CHECK(cells.size() == columns_.size(), "{} cells for {} columns", cells.size(),
                 columns_.size());
  std::vector<std::string> heading;
  std::vector<std::string> line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Column& column = columns_[i];
    if (column.heading.empty()) continue;
    const bool left = std::holds_alternative<std::string>(cells[i]);
    heading.push_back(padded(column.heading, column, left));
    line.push_back(padded(cell_text(cells[i], column), column, left));
  }
  if (rows_.empty()) print_line(joined(heading));  // now it is known what stands at the left
  print_line(joined(line));
  rows_.push_back(std::move(cells));
}

const Value& Report::cell(std::size_t row, std::string_view key) const {
  const auto found = std::find_if(columns_.begin(), columns_.end(),
                                  [&](const Column& column) { return column.key == key; });
  LONGHAUL_CHECK(found != columns_.end() && row < rows_.size(), "the report has no {} in row {}",
                 key, row);
  return rows_[row][static_cast<std::size_t>(found - columns_.begin())];
}

const Value& Report::result(std::string_view key) const { return find(results_, key); }

std::string Report::json() const {
  nlohmann::ordered_json object;
  object["benchmark"] = benchmark_;
  object["version"] = kVersion;
  object["device"] = device_;
  object["arguments"] = to_json(arguments_);
  object["results"] = to_json(results_);
  object["rows"] = nlohmann::ordered_json::array();
  for (const std::vector<Value>& cells : rows_) {
    nlohmann::ordered_json row;
    for (std::size_t i = 0; i < cells.size(); ++i) row[columns_[i].key] = to_json(cells[i]);
    object["rows"].push_back(std::move(row));
  }
  return dump_json(object, 1, InvalidUtf8::replace) + "\n";
}

}  // namespace longhaul::bench
