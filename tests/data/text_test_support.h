#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "data/json/json_parse.h"
#include "data/json/json_value.h"
#include "data/template/row_encoder.h"
#include "metrics/temporary_directory.h"

namespace longhaul::test {

/// The folder where the build unpacked the goldens and made the model directories "qwen2.5",
/// "qwen3" and "qwen3-first".
inline std::filesystem::path unpacked() { return LONGHAUL_UNPACKED_TEST_DATA; }

/// The parsed lines of a golden file.
inline std::vector<JsonValue> golden(const std::string& name) {
  std::ifstream file(unpacked() / "golden" / name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  std::vector<JsonValue> rows;
  std::string line;
  while (std::getline(file, line)) {
    if (!line.empty()) rows.push_back(parse_json(line));
  }
  return rows;
}

inline std::vector<std::int32_t> ids_of(const JsonValue& list) {
  std::vector<std::int32_t> ids;
  for (const JsonValue& id : list.array()) ids.push_back(static_cast<std::int32_t>(id.number()));
  return ids;
}

/// Encoders that all tests of the program share, as loading one takes a while.
inline const RowEncoder& encoder(std::string_view model) {
  static const RowEncoder qwen25 = RowEncoder::load(unpacked() / "qwen2.5", {});
  static const RowEncoder qwen3 = RowEncoder::load(unpacked() / "qwen3", {});
  return model == "qwen2.5" ? qwen25 : qwen3;
}

/// The text of the exception of type Error that `work` throws; a test failure when it throws none.
template <typename Error, typename Work>
std::string error_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace longhaul::test
