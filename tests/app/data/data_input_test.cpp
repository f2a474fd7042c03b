// What longhaul data reads: packed files, and flags from a file.
#include <gtest/gtest.h>

#include "app/command.h"
#include "core/error.h"
#include "data/packed_test_support.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::fresh_folder;
using test::gzip;
using test::unpacked;
using test::write_file;
using test::zstd;

/// What `longhaul data encode` with these arguments writes, and the error it ends with, if any.
struct Result {
  std::string output;
  std::string error;
};

Result encode(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"data", "encode"});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  Result result;
  testing::internal::CaptureStdout();
  try {
    run_data(static_cast<int>(argv.size()), argv.data());
  } catch (const UserError& error) {
    result.error = error.what();
  }
  result.output = testing::internal::GetCapturedStdout();
  return result;
}

constexpr const char* kText = "{\"text\": \"a\"}\n{\"text\": \"b\"}\n";
constexpr const char* kIds = "{\"ids\": [64]}\n{\"ids\": [65]}\n";

TEST(DataInput, PackedFiles) {
  const auto folder = fresh_folder("data_input");
  const std::string model = (unpacked() / "qwen3").string();
  for (const std::string& packed : {gzip(kText), zstd(kText)}) {
    write_file(folder / "in", packed);
    const Result good = encode({"--model", model, "--input", (folder / "in").string()});
    EXPECT_EQ(good.output, kIds);
    EXPECT_EQ(good.error, "");
    write_file(folder / "in", packed + packed.substr(0, packed.size() - 3));
    const Result damaged = encode({"--model", model, "--input", (folder / "in").string()});
    EXPECT_EQ(damaged.output.substr(0, std::string(kIds).size()), kIds);
    EXPECT_NE(damaged.error.find("ends too early"), std::string::npos) << damaged.error;
  }
}

TEST(DataInput, AConfigFileMayBeginWithAByteOrderMark) {
  const auto folder = fresh_folder("data_config");
  write_file(folder / "in", kText);
  const std::string flags = fmt::format("model = {}\ninput = {}\n", (unpacked() / "qwen3").string(),
                                        (folder / "in").string());
  for (const char* mark : {"", "\xEF\xBB\xBF"}) {
    write_file(folder / "flags.conf", mark + flags);
    const Result result = encode({"--config", (folder / "flags.conf").string()});
    EXPECT_EQ(result.output, kIds);
    EXPECT_EQ(result.error, "");
  }
  for (const char* tiny : {"", "#", "\xEF\xBB\xBF"}) {
    write_file(folder / "tiny.conf", tiny);
    EXPECT_NE(encode({"--config", (folder / "tiny.conf").string()}).error.find("--model"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace longhaul
