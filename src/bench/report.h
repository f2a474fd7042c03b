#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace longhaul::bench {

/// A cell of a table or an argument; std::monostate: nothing to say.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

/// The value times `factor`, where there is one.
Value scaled(const std::optional<double>& value, double factor);

inline constexpr int kSignificant = -1;

struct Column {
  std::string key;      // in the JSON file: "gb_per_second"
  std::string heading;  // in the table; empty: in the JSON file alone
  int width = 10;       // of the table's column; longer cells push the others aside
  int decimals = 1;     // of a double in the table; kSignificant: four digits in all
};

/// What a benchmark measured: a table for people, printed row by row so that a run that ends early
/// has shown what it knew, and one JSON object for programs:
///   {"benchmark", "version", "device", "arguments": {..}, "results": {..}, "rows": [{..}, ..]}
class Report {
 public:
  /// benchmark: "kernels", "gemm", ...; out: where the table goes, null for nowhere (ranks other
  /// than 0).
  Report(std::string benchmark, std::FILE* out) : benchmark_(std::move(benchmark)), out_(out) {}

  /// Printed at the top, and in the JSON file.
  void set_device(std::string device);
  void add_argument(std::string name, Value value);
  /// A number that is not of one row, such as a mean; people read of it in say().
  void add_result(std::string key, Value value);
  /// A line for people.
  void say(std::string_view text) const;

  /// Before the first row, which prints the header too.
  void set_columns(std::vector<Column> columns);
  /// One cell a column.
  void add_row(std::vector<Value> cells);

  [[nodiscard]] std::size_t rows() const { return rows_.size(); }
  /// The cell of a row under a column's key.
  [[nodiscard]] const Value& cell(std::size_t row, std::string_view key) const;
  [[nodiscard]] const Value& result(std::string_view key) const;
  [[nodiscard]] std::string json() const;

 private:
  using Members = std::vector<std::pair<std::string, Value>>;

  void print_line(const std::string& text) const;

  std::string benchmark_;
  std::FILE* out_;
  std::string device_;
  Members arguments_;
  Members results_;
  std::vector<Column> columns_;
  std::vector<std::vector<Value>> rows_;
};

}  // namespace longhaul::bench
