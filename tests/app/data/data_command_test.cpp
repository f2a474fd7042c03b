// longhaul data encode | decode | render.
#include <gtest/gtest.h>

#include <sstream>

#include "app/command.h"
#include "core/error.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::error_of;
using test::fresh_folder;
using test::golden;
using test::unpacked;
using test::write_file;

struct Output {
  int exit_code = 0;
  std::vector<JsonValue> lines;
};

Output run(const std::string& action, const std::string& model, const std::filesystem::path& input,
           std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {
      "data", action, "--model", (unpacked() / model).string(), "--input", input.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  Output output;
  try {
    output.exit_code = run_data(static_cast<int>(argv.size()), argv.data());
  } catch (...) {
    testing::internal::GetCapturedStdout();
    throw;
  }
  std::istringstream text(testing::internal::GetCapturedStdout());
  std::string line;
  while (std::getline(text, line)) output.lines.push_back(parse_json(line));
  return output;
}

Output run_text(const std::string& action, const std::string& model, std::string_view text,
                std::vector<std::string> more = {}) {
  const auto file = fresh_folder("data_command") / "in.jsonl";
  write_file(file, text);
  return run(action, model, file, std::move(more));
}

std::string json(const JsonValue& value, std::string_view key) {
  std::string out;
  for (const JsonValue& item : value.get(key).array()) out += item.text() + " ";
  return out;
}

TEST(DataCommand, Encode) {
  const Output output = run_text("encode", "qwen3",
                                 "{\"text\": \"Hello, world!<|im_end|>\"}\n"
                                 "{\"text\": 3}\n\nnot json\n{\"text\": \"\"}\n\"\xFF\"\n");
  EXPECT_EQ(output.exit_code, 0);
  ASSERT_EQ(output.lines.size(), 5U);
  EXPECT_EQ(output.lines[4].get("error").text(), "not UTF-8 (byte 2 of the line)");
  EXPECT_EQ(json(output.lines[0], "ids"), "9707 11 1879 0 151645 ");
  EXPECT_EQ(output.lines[1].get("error").text(), "\"text\" is a number; a string is expected");
  EXPECT_EQ(output.lines[1].get("line").text(), "2");
  EXPECT_EQ(output.lines[2].get("error").text().substr(0, 9), "not JSON:");
  EXPECT_EQ(output.lines[2].get("line").text(), "4");
  EXPECT_EQ(output.lines[3].get("ids").array().size(), 0U);
}

TEST(DataCommand, Decode) {
  const Output output =
      run_text("decode", "qwen3",
               "{\"ids\": [9707, 151645, 151700, 4294967295, 151668]}\n"
               "{\"ids\": [9707, 151645, 151668], \"skip_special_tokens\": true}\n"
               "{\"ids\": [-1]}\n{\"ids\": [1.0]}\n{\"ids\": 3}\n"
               "{\"ids\": [1], \"skip_special_tokens\": 1}\n[]\n");
  ASSERT_EQ(output.lines.size(), 7U);
  EXPECT_EQ(output.lines[0].get("text").text(), "Hello<|im_end|></think>");
  EXPECT_EQ(output.lines[1].get("text").text(), "Hello</think>");
  for (std::size_t i = 2; i < 7; ++i) {
    EXPECT_TRUE(output.lines[i].get("error").is_string()) << i;
    EXPECT_EQ(output.lines[i].get("line").text(), std::to_string(i + 1));
  }
}

TEST(DataCommand, RenderTrainingRows) {
  const Output output =
      run_text("render", "qwen3",
               "{\"id\": \"x\", \"messages\": [{\"role\": \"user\", \"content\": \"q\"}, "
               "{\"role\": \"assistant\", \"content\": \"a\", \"loss\": 0.5}]}\n"
               "{\"messages\": [{\"role\": \"judge\", \"content\": \"q\"}]}\n{\n");
  EXPECT_EQ(output.exit_code, 0);
  ASSERT_EQ(output.lines.size(), 3U);
  EXPECT_EQ(output.lines[0].get("id").text(), "x");
  EXPECT_EQ(output.lines[0].get("text").text(),
            "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
            "a<|im_end|>\n");
  EXPECT_EQ(json(output.lines[0], "ids"),
            "151644 872 198 80 151645 198 151644 77091 198 151667 271 151668 271 64 151645 198 ");
  EXPECT_EQ(json(output.lines[0], "weights"), "0 0 0 0 0 0 0 0 0 0.5 0.5 0.5 0.5 0.5 0.5 0 ");
  EXPECT_EQ(output.lines[1].get("id").text(), "in.jsonl:2");
  EXPECT_NE(output.lines[1].get("error").text().find("unknown role \"judge\""), std::string::npos);
  EXPECT_EQ(output.lines[2].get("id").text(), "in.jsonl:3");
  EXPECT_EQ(output.lines[2].get("line").text(), "3");
}

TEST(DataCommand, RenderReproducesTheGoldenRows) {
  for (const char* model : {"qwen25", "qwen3"}) {
    const std::string file = fmt::format("chat_golden_{}.jsonl", model);
    const std::string directory = model[4] == '2' ? "qwen2.5" : "qwen3";
    const Output output = run("render", directory, unpacked() / "golden" / file);
    const auto rows = golden(file);
    ASSERT_EQ(output.lines.size(), rows.size());
    std::vector<std::string> other_ids;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string id = rows[i].get("id").text();
      EXPECT_EQ(output.lines[i].get("id").text(), id);
      if (rows[i].get("error").is_string()) {
        EXPECT_TRUE(output.lines[i].get("error").is_string()) << id;
        continue;
      }
      ASSERT_TRUE(output.lines[i].get("text").is_string()) << id;
      EXPECT_EQ(output.lines[i].get("text").text(), rows[i].get("text").text()) << id;
      if (json(output.lines[i], "ids") != json(rows[i], "ids")) other_ids.push_back(id);
    }
    // A turn that begins with newlines: pieces are tokenized separately, the golden text is not.
    const std::string expected =
        directory == "qwen3" ? "call_with_content_newlines" : "reasoning_content_newlines";
    EXPECT_EQ(other_ids, std::vector<std::string>{expected});
  }
}

TEST(DataCommand, FlagsChooseFormAndTemplate) {
  const std::string row =
      "{\"messages\": [{\"role\": \"judge\", \"content\": \"x\"}, {\"role\": \"user\", "
      "\"content\": \"q\"}]}";
  EXPECT_EQ(run_text("render", "qwen3", row, {"--rows", "verbatim"}).lines[0].get("text").text(),
            "<|im_start|>user\nq<|im_end|>\n");
  EXPECT_TRUE(run_text("render", "qwen3", row).lines[0].get("error").is_string());
  const std::string text =
      run_text("render", "qwen3", row, {"--rows", "verbatim", "--chat_template", "qwen2.5"})
          .lines[0]
          .get("text")
          .text();
  EXPECT_NE(text.find("You are Qwen"), std::string::npos);
}

TEST(DataCommand, UserErrors) {
  const auto message = [](const std::string& action, std::vector<std::string> more) {
    return error_of<UserError>([&] { run_text(action, "qwen3", "{}", std::move(more)); });
  };
  EXPECT_NE(message("explode", {}).find("known: encode, decode, render"), std::string::npos);
  EXPECT_NE(message("render", {"--template_mode", "x"}).find("--template_mode"), std::string::npos);
  EXPECT_NE(message("render", {"--loss_scale", "x"}).find("--loss_scale"), std::string::npos);
  EXPECT_NE(message("render", {"--chat_template", "x"}).find("--chat_template"), std::string::npos);
  EXPECT_NE(message("render", {"--rows", "x"}).find("--rows"), std::string::npos);
  EXPECT_NE(message("encode", {"--colour", "x"}).find("--colour"), std::string::npos);
  EXPECT_NE(error_of<UserError>([] {
              run("encode", "qwen3", "/nonexistent.jsonl");
            }).find("/nonexistent.jsonl"),
            std::string::npos);
  EXPECT_NE(
      error_of<UserError>([] { run_text("encode", "no_such_model", "{}"); }).find("no_such_model"),
      std::string::npos);
}

}  // namespace
}  // namespace longhaul
