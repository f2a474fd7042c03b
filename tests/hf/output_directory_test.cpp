#include "hf/output_directory.h"

#include <gtest/gtest.h>

#include "hf/hf_test_support.h"
#include "hf/tokenizer_files.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_of;
using test::read_file;
using test::TemporaryDirectory;
using test::write_file;

TEST(OutputDirectory, AppearsWhenPublished) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a/b/";
  {
    OutputDirectory output(path, Overwrite::no);
    write_file(output.staging() / "config.json", "{}");
    write_file(output.staging() / "model.safetensors", "weights");
    EXPECT_FALSE(fs::exists(path / "config.json"));
    output.publish();
  }
  EXPECT_EQ(read_file(path / "config.json"), "{}");
  EXPECT_EQ(read_file(path / "model.safetensors"), "weights");
  EXPECT_EQ(std::distance(fs::directory_iterator(path), fs::directory_iterator()), 2);
}

TEST(OutputDirectory, LeavesNothingWithoutPublishing) {
  const TemporaryDirectory directory;
  {
    const OutputDirectory output(directory / "a/b/c", Overwrite::no);
    write_file(output.staging() / "config.json", "{}");
  }
  EXPECT_FALSE(fs::exists(directory / "a"));
  fs::create_directory(directory / "there");
  {
    const OutputDirectory output(directory / "there", Overwrite::no);
    write_file(output.staging() / "config.json", "{}");
  }
  EXPECT_TRUE(fs::is_empty(directory / "there"));
}

TEST(OutputDirectory, RefusesWhatIsInUse) {
  const TemporaryDirectory directory;
  write_file(directory / "file", "x");
  EXPECT_TRUE(contains(error_of([&] { OutputDirectory output(directory.path(), Overwrite::no); }),
                       "is not empty; choose another directory, or give --overwrite true"));
  EXPECT_TRUE(
      contains(error_of([&] { OutputDirectory output(directory / "file", Overwrite::yes); }),
               "/file: is a file; give a directory"));
  EXPECT_TRUE(contains(
      error_of([&] { OutputDirectory output(directory / "file" / "below", Overwrite::yes); }),
      "cannot be used for --output: Not a directory"));
  EXPECT_TRUE(contains(error_of([] { OutputDirectory output("/proc/nowhere", Overwrite::no); }),
                       "/proc/nowhere: cannot be used for --output"));
  EXPECT_TRUE(contains(error_of([] { OutputDirectory output("", Overwrite::no); }),
                       "--output: no directory given"));
  EXPECT_EQ(read_file(directory / "file"), "x");
}

TEST(OutputDirectory, OverwriteReplacesTheModelAlone) {
  const TemporaryDirectory directory;
  for (const char* name : {"config.json", "model-00001-of-00002.safetensors",
                           "model.safetensors.index.json", "README.md"}) {
    write_file(directory / name, "old");
  }
  {
    const OutputDirectory failed(directory.path(), Overwrite::yes);
    write_file(failed.staging() / "config.json", "half");
  }
  EXPECT_EQ(read_file(directory / "config.json"), "old");
  OutputDirectory output(directory.path(), Overwrite::yes);
  write_file(output.staging() / "config.json", "new");
  write_file(output.staging() / "model.safetensors", "new");
  output.publish();
  EXPECT_EQ(read_file(directory / "config.json"), "new");
  EXPECT_EQ(read_file(directory / "model.safetensors"), "new");
  EXPECT_EQ(read_file(directory / "README.md"), "old");
  EXPECT_FALSE(fs::exists(directory / "model-00001-of-00002.safetensors"));
  EXPECT_FALSE(fs::exists(directory / "model.safetensors.index.json"));
}

TEST(OutputDirectory, TidiesUpAfterAKilledRun) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / ".longhaul-partial");
  write_file(directory / ".longhaul-partial/model.safetensors", "half");
  OutputDirectory output(directory.path(), Overwrite::no);
  EXPECT_TRUE(fs::is_empty(output.staging()));
}

TEST(TokenizerFiles, CopiesThoseThatAreThere) {
  const TemporaryDirectory directory;
  const fs::path from = directory / "from";
  const fs::path to = directory / "save/tokenizer";
  fs::create_directory(from);
  EXPECT_TRUE(copy_tokenizer_files(from, to).empty());
  EXPECT_FALSE(fs::exists(to));
  EXPECT_FALSE(has_tokenizer(from));
  for (const char* name : {"tokenizer.json", "chat_template.jinja", "generation_config.json",
                           "model.safetensors", "config.json"}) {
    write_file(from / name, name);
  }
  fs::permissions(from / "tokenizer.json", fs::perms::owner_read);
  for (int round = 0; round < 2; ++round) {  // the second time files are replaced
    EXPECT_EQ(copy_tokenizer_files(from, to),
              (std::vector<std::string>{"tokenizer.json", "chat_template.jinja",
                                        "generation_config.json"}));
    EXPECT_EQ(read_file(to / "tokenizer.json"), "tokenizer.json");
    EXPECT_EQ(std::distance(fs::directory_iterator(to), fs::directory_iterator()), 3);
  }
  EXPECT_TRUE(has_tokenizer(to));
  EXPECT_EQ(copy_tokenizer_files(to, to).size(), 3U);  // onto themselves
  EXPECT_EQ(read_file(to / "tokenizer.json"), "tokenizer.json");
}

TEST(TokenizerFiles, NamesWhatCannotBeCopied) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(contains(error_of([&] { copy_tokenizer_files(directory / "x", directory / "y"); }),
                       "/x: no such directory"));
  write_file(directory / "tokenizer.json", "{}");
  EXPECT_TRUE(contains(error_of([&] { copy_tokenizer_files(directory.path(), "/proc/nowhere"); }),
                       "/proc/nowhere: cannot be created"));
}

}  // namespace
}  // namespace longhaul
