#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace longhaul {

/// The most rows that can be drawn of one file: each takes 8 bytes on every rank.
inline constexpr std::int64_t kMostDrawnRows = 1'000'000'000;

/// A data file, and how many of its rows an epoch takes.
struct DataSource {
  // Not explicit: a path is a source of all its rows.
  DataSource(std::filesystem::path file) : path(std::move(file)) {}  // NOLINT
  DataSource(std::filesystem::path file, std::optional<std::int64_t> rows)
      : path(std::move(file)), draw(rows) {}

  std::filesystem::path path;
  std::optional<std::int64_t> draw;  // "path#N": N of the kept rows; unset: all

  /// As it is given on the command line.
  [[nodiscard]] std::string text() const;
};

/// "path", or "path#N" with N from 1. A file whose own name is "path#N" wins when it exists. Throws
/// UserError when N is 0 or too large to count.
DataSource parse_data_source(const std::string& text);

}  // namespace longhaul
