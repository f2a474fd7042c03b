// Data sets whose files are packed with gzip or zstd, on one rank and on several.
#include <gtest/gtest.h>

#include <algorithm>

#include "comm/mpi_runtime.h"
#include "data/batch_test_support.h"
#include "data/dataset/dataset.h"
#include "data/dataset/prepare_dataset.h"
#include "data/dataset_test_support.h"
#include "data/packed_test_support.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::byte_encoder;
using test::gzip;
using test::read_bytes;
using test::row_line;
using test::TemporaryDirectory;
using test::write_bytes;
using test::zstd;

/// 200 rows, some bad, some without an id.
std::string rows(const std::string& name) {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    if (i % 40 == 7) text += "\n  \r\nno JSON\n";
    text += i % 10 == 3 ? R"({"messages": [{"role": "assistant", "content": "nameless"}]})"
                        : row_line(fmt::format("{}-{}", name, i), std::string(5 + i % 30, 'q'),
                                   std::string(1 + i % 20, 'w'));
    text += '\n';
  }
  return text;
}

class PackedDataset : public testing::Test {
 protected:
  void SetUp() override {
    coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
    log_ = std::make_unique<Log>(coordinator_->rank(), coordinator_->host());
    folder_ = coordinator_->broadcast(own_.path().string(), 0);
    const std::string a = rows("a");
    write("plain/a.jsonl", a);
    write("plain/b.jsonl", rows("b"));
    write("plain/c.jsonl", rows("c"));
    write("plain/d.jsonl", rows("d"));
    write("packed/a.jsonl", gzip(a.substr(0, 5000)) + gzip(a.substr(5000)));
    write("packed/b.jsonl", rows("b"));
    write("packed/c.jsonl", zstd(rows("c"), 27));
    write("packed/d.jsonl", gzip(rows("d")));
  }
  void TearDown() override { coordinator_->barrier(); }

  [[nodiscard]] bool first() const { return coordinator_->rank() == 0; }

  void write(const std::string& name, const std::string& bytes) {
    if (first()) {
      fs::create_directories((folder_ / name).parent_path());
      write_bytes(folder_ / name, bytes);
    }
    coordinator_->barrier();
  }

  [[nodiscard]] DatasetOptions options(const std::string& kind) const {
    DatasetOptions options;
    for (const char* name : {"a.jsonl", "b.jsonl", "c.jsonl"}) {
      options.files.push_back(folder_ / kind / name);
    }
    options.validation_files = {folder_ / kind / "d.jsonl"};
    options.max_length = 60;
    options.save_dir = folder_ / ("save-" + kind);
    options.threads = 2;
    options.block_bytes = 700;
    return options;
  }
  Dataset prepare(const DatasetOptions& settings) {
    return prepare_dataset(*coordinator_, settings, byte_encoder(), *log_);
  }
  /// The error's text, when every rank has cleaned up.
  std::string complaint(const DatasetOptions& settings) {
    std::string text;
    try {
      prepare(settings);
    } catch (const CollectiveError& error) {
      EXPECT_EQ(error.exit_code(), kExitUserError) << error.what();
      text = error.what();
    }
    coordinator_->barrier();
    return text;
  }
  [[nodiscard]] std::vector<std::string> cache_folder(const std::string& kind) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_ / ("save-" + kind) / "cache")) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<Log> log_;
  TemporaryDirectory own_;
  fs::path folder_;
};

TEST_F(PackedDataset, EveryRowIsThatOfThePlainFiles) {
  const Dataset plain = prepare(options("plain"));
  const Dataset packed = prepare(options("packed"));
  ASSERT_EQ(packed.size(), plain.size());
  EXPECT_EQ(packed.counts().read, plain.counts().read);
  EXPECT_EQ(packed.counts().kept, plain.counts().kept);
  EXPECT_TRUE(std::ranges::equal(packed.training(), plain.training()));
  EXPECT_TRUE(std::ranges::equal(packed.validation(), plain.validation()));
  for (std::int64_t i = 0; i < plain.size(); ++i) {
    ASSERT_EQ(packed.id(i), plain.id(i));
    ASSERT_EQ(packed.source(i).line, plain.source(i).line);
    ASSERT_EQ(fs::path(packed.source(i).file).parent_path().filename(), "packed");
    if (plain.length(i) == 0) continue;
    ASSERT_EQ(test::load_sample(packed, i).tokens, test::load_sample(plain, i).tokens);
  }
  EXPECT_EQ(cache_folder("packed").size(), 1U);  // no text is left
}

TEST_F(PackedDataset, OneRankAndSeveralWriteTheSameCacheBytes) {
  prepare(options("packed"));
  if (!first()) return;
  const auto solo = make_solo_coordinator();
  DatasetOptions alone = options("packed");
  alone.save_dir = folder_ / "save-alone";
  alone.threads = 1;
  prepare_dataset(*solo, alone, byte_encoder(), *log_);
  ASSERT_EQ(cache_folder("packed"), cache_folder("alone"));
  const std::string name = cache_folder("alone")[0];
  EXPECT_EQ(read_bytes(folder_ / "save-packed" / "cache" / name),
            read_bytes(folder_ / "save-alone" / "cache" / name));
}

TEST_F(PackedDataset, ASecondRunUnpacksNothing) {
  const std::string identity = prepare(options("packed")).describe_identity();
  const Dataset again = prepare_dataset(
      *coordinator_, options("packed"),
      {[](const Row&, RowEncoder::Scratch&) -> EncodedSample { throw RowError("not again"); },
       byte_encoder().fingerprint},
      *log_);
  EXPECT_EQ(again.describe_identity(), identity);
}

TEST_F(PackedDataset, DamageIsAnErrorThatLeavesNothingBehind) {
  const std::string good = gzip(rows("a"));
  write("packed/a.jsonl", good.substr(0, good.size() - 9));
  std::string text = complaint(options("packed"));
  EXPECT_NE(text.find("packed/a.jsonl: the gzip data is damaged after byte"), std::string::npos)
      << text;
  EXPECT_NE(text.find("ends too early"), std::string::npos) << text;
  if (first()) {
    EXPECT_TRUE(cache_folder("packed").empty());
  }

  write("packed/a.jsonl", good + "more");
  text = complaint(options("packed"));
  EXPECT_NE(text.find(fmt::format("after byte {}: what follows is not gzip data", good.size())),
            std::string::npos)
      << text;
  write("packed/a.jsonl", gzip(""));
  EXPECT_NE(complaint(options("packed")).find("is empty (gzip data of 0 bytes)"),
            std::string::npos);
  write("packed/a.jsonl", std::string("\xFD\x37zXZ\0", 6));
  EXPECT_NE(complaint(options("packed")).find("packed as xz"), std::string::npos);
  if (first()) {
    EXPECT_TRUE(cache_folder("packed").empty());
  }
}

TEST_F(PackedDataset, StrictNamesThePackedFileAndRemovesItsText) {
  DatasetOptions strict = options("packed");
  strict.rejections = RejectionPolicy::stop;
  const std::string text = complaint(strict);
  EXPECT_NE(text.find("packed/a.jsonl:10: not JSON"), std::string::npos) << text;
  if (first()) {
    EXPECT_TRUE(cache_folder("packed").empty());
  }
}

}  // namespace
}  // namespace longhaul
