// Token counts and hashes of public agent conversations, which are not part of the repository.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "data/rows/row_reader.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::encoder;
using test::golden;

std::string fnv1a64(const std::vector<std::int32_t>& ids) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const std::int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {  // little-endian bytes
      hash ^= (static_cast<std::uint32_t>(id) >> shift) & 0xFFU;
      hash *= 0x100000001b3ULL;
    }
  }
  return fmt::format("{:016x}", hash);
}

TEST(AgentGolden, CountsAndHashes) {
  const char* variable = std::getenv("LONGHAUL_AGENT_DATA");
  const std::filesystem::path folder = variable != nullptr ? variable : LONGHAUL_AGENT_DATA_DEFAULT;
  if (folder.empty() || !std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "no folder with the agent conversations; set LONGHAUL_AGENT_DATA to one";
  }
  std::map<std::string, std::map<std::string, JsonValue>> expected;
  for (JsonValue& row : golden("token_golden_agent.jsonl")) {
    const std::string file = row.get("file").text();
    const std::string id = row.get("id").text();
    expected[file].emplace(id, std::move(row));
  }
  RowEncoder::Scratch scratch;
  std::size_t rows = 0;
  std::map<std::string, std::size_t> differ_in_pieces;
  for (const auto& [file, by_id] : expected) {
    RowReader reader(folder / file);
    std::variant<Row, RejectedRow> result;
    std::size_t found = 0;
    while (reader.next(result)) {
      const Row* row = std::get_if<Row>(&result);
      ASSERT_NE(row, nullptr) << std::get<RejectedRow>(result).reason;
      const auto golden_row = by_id.find(row->id);
      if (golden_row == by_id.end()) continue;
      ++found;
      for (const auto& [model, key] : {std::pair{"qwen2.5", "qwen25"}, {"qwen3", "qwen3"}}) {
        const RenderedRow rendered = encoder(model).render(*row);
        std::vector<std::int32_t> whole;
        encoder(model).tokenizer().encode(rendered.text, scratch, whole);
        const JsonValue& want = golden_row->second.get(key);
        EXPECT_EQ(static_cast<double>(whole.size()), want.get("n").number()) << row->id;
        EXPECT_EQ(fnv1a64(whole), want.get("fnv1a64").text()) << row->id;
        const EncodedSample sample = encoder(model).encode(rendered, scratch);
        EXPECT_GT(sample.trained_tokens(), 0) << row->id;
        if (sample.tokens != whole) ++differ_in_pieces[model];
      }
    }
    EXPECT_EQ(found, by_id.size()) << file;
    rows += found;
  }
  EXPECT_GT(rows, 0U);
  // No turn of these rows begins with white space that would join the newline before it.
  EXPECT_TRUE(differ_in_pieces.empty());
  std::printf("%zu rows checked for both models\n", rows);
}

}  // namespace
}  // namespace longhaul
