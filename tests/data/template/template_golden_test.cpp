// Conversations that other programs were given, and the texts that the published templates have.
#include <gtest/gtest.h>

#include <sstream>

#include "data/rows/row_parse.h"
#include "data/text_test_support.h"
#include "test_data.h"

namespace longhaul {
namespace {

JsonValue read_golden(const std::string& name) {
  std::ifstream file(testing::test_data() / "golden" / name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return parse_json(text.str());
}

TEST(TemplateGolden, PublishedTemplates) {
  const JsonValue golden = read_golden("template_hf.json");
  ASSERT_EQ(golden.get("cases").array().size(), 18U);
  for (const JsonValue& one : golden.get("cases").array()) {
    const std::string& name = one.get("row").text();
    const Row row = parse_row(golden.get("rows").get(name), RowForm::training);
    const auto chat =
        make_chat_template({.mode = parse_template_mode(one.get("template_mode").text()),
                            .family = *parse_template_family(one.get("chat_template").text())});
    EXPECT_EQ(chat->render(row).text, one.get("text").text())
        << one.get("chat_template").text() << " " << name;
  }
}

}  // namespace
}  // namespace longhaul
