// Which template a model directory gets.
#include "data/template/chat_template.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/json/json_print.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::error_of;
using test::TemporaryDirectory;
using test::unpacked;
using test::write_file;

std::string published(const std::string& model) {
  return parse_json_file(unpacked() / model / "tokenizer_config.json").get("chat_template").text();
}

TEST(DetectTemplate, PublishedConfigurations) {
  EXPECT_EQ(detect_template(unpacked() / "qwen2.5"), TemplateFamily::qwen25);
  EXPECT_EQ(detect_template(unpacked() / "qwen3"), TemplateFamily::qwen3);
  EXPECT_EQ(detect_template(unpacked() / "qwen3-first"), TemplateFamily::qwen3_first);
}

TEST(DetectTemplate, BaseModelsOfQwen25HaveAnotherSystemMessage) {
  const std::string instruct =
      "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
  std::string text = published("qwen2.5");
  for (std::size_t at = 0; (at = text.find(instruct)) != std::string::npos;) {
    text.replace(at, instruct.size(), "You are a helpful assistant.");
  }
  const TemporaryDirectory folder;
  write_file(folder / "chat_template.jinja", text);
  ASSERT_EQ(detect_template(folder.path()), TemplateFamily::qwen25_base);
  Row row;
  row.messages.push_back({"user", JsonValue::make_string("q"), {}, {}, {}});
  EXPECT_EQ(make_chat_template({.family = TemplateFamily::qwen25_base})->render(row).text,
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\nq<|im_end|>\n");
}

TEST(DetectTemplate, TheJinjaFileWins) {
  const TemporaryDirectory folder;
  std::filesystem::copy(unpacked() / "qwen2.5" / "tokenizer_config.json",
                        folder / "tokenizer_config.json");
  write_file(folder / "chat_template.jinja", published("qwen3"));
  EXPECT_EQ(detect_template(folder.path()), TemplateFamily::qwen3);
  write_file(folder / "chat_template.jinja", published("qwen3") + "\n");
  EXPECT_EQ(detect_template(folder.path()), TemplateFamily::qwen3);
  std::string text = published("qwen2.5");
  ASSERT_EQ(text.back(), '\n');
  text.pop_back();
  write_file(folder / "chat_template.jinja", text);
  EXPECT_EQ(detect_template(folder.path()), TemplateFamily::qwen25);
}

TEST(DetectTemplate, ListOfNamedTemplates) {
  const TemporaryDirectory folder;
  write_file(
      folder / "tokenizer_config.json",
      R"({"chat_template": [{"name": "tool_use", "template": "x"}, {"name": "default", "template": )" +
          to_json(JsonValue::make_string(published("qwen3"))) + "}]}");
  EXPECT_EQ(detect_template(folder.path()), TemplateFamily::qwen3);
  write_file(folder / "tokenizer_config.json", R"({"chat_template": [{"name": "rag"}]})");
  EXPECT_NE(error_of<UserError>([&] { detect_template(folder.path()); }).find("\"default\""),
            std::string::npos);
}

TEST(DetectTemplate, WithoutATemplateTheModelTypeDecides) {
  const TemporaryDirectory folder;
  EXPECT_NE(error_of<UserError>([&] { detect_template(folder.path()); }).find("config.json"),
            std::string::npos);
  write_file(folder / "config.json", R"({"model_type": "qwen2"})");
  EXPECT_EQ(detect_template(folder.path()), TemplateFamily::qwen25);
  write_file(folder / "tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_EQ(detect_template(folder.path()), TemplateFamily::qwen25);
  write_file(folder / "config.json", R"({"model_type": "qwen3"})");
  EXPECT_EQ(detect_template(folder.path()), TemplateFamily::qwen3);
  write_file(folder / "config.json", R"({"model_type": "llama"})");
  EXPECT_NE(error_of<UserError>([&] { detect_template(folder.path()); }).find("llama"),
            std::string::npos);
  write_file(folder / "config.json", "{}");
  EXPECT_NE(error_of<UserError>([&] { detect_template(folder.path()); }).find("missing"),
            std::string::npos);
}

TEST(DetectTemplate, AnUnknownTemplateNamesTheKnownOnes) {
  const TemporaryDirectory folder;
  write_file(folder / "chat_template.jinja", published("qwen3") + " ");
  const std::string message = error_of<UserError>([&] { detect_template(folder.path()); });
  for (const char* part : {"chat_template.jinja", "qwen2.5", "qwen3-first", "--chat_template"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  write_file(folder / "tokenizer_config.json", "{");
  std::filesystem::remove(folder / "chat_template.jinja");
  EXPECT_NE(error_of<UserError>([&] { detect_template(folder.path()); }).find("not valid JSON"),
            std::string::npos);
}

TEST(TemplateFlags, NamesAndErrors) {
  EXPECT_EQ(parse_template_mode("hf"), TemplateMode::hf);
  EXPECT_NE(error_of<UserError>([] { parse_template_mode("jinja"); }).find("choose hf"),
            std::string::npos);
  EXPECT_EQ(parse_template_family("auto"), std::nullopt);
  for (const auto family : {TemplateFamily::qwen25, TemplateFamily::qwen25_base,
                            TemplateFamily::qwen3, TemplateFamily::qwen3_first}) {
    EXPECT_EQ(parse_template_family(name_of(family)), family);
  }
  EXPECT_NE(error_of<UserError>([] { parse_template_family("llama"); }).find("qwen2.5"),
            std::string::npos);
}

}  // namespace
}  // namespace longhaul
