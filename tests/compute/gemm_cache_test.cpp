#include "compute/cuda/gemm/gemm_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"

namespace longhaul {
namespace {

constexpr const char* kDevice = "NVIDIA H100 80GB HBM3, 132 SMs";
constexpr std::size_t kVersion = 130100;

GemmKey example_key() {
  return {.kind = GemmKind::forward,
          .addend = GemmAddend::separate,
          .tokens = 65536,
          .outputs = 5120,
          .inputs = 25600,
          .strides = {25600, 25600, 5120, 5120},
          .alignments = {256, 256, 16, 128},
          .bias_alignment = 16};
}

GemmAlgorithm example_algorithm() {
  return {.data = {0x0123456789ABCDEFU, 0, ~std::uint64_t{0}, 1, 2, 3, 4, 0xFEDCBA9876543210U},
          .tflops = 655.25,
          .first_tflops = 640.5};
}

/// Keys that differ from the example, and from each other, in one field.
std::vector<GemmKey> other_keys() {
  std::vector<GemmKey> keys;
  const auto add = [&](auto change) {
    keys.push_back(example_key());
    change(keys.back());
  };
  add([](GemmKey& k) { k.kind = GemmKind::backward_input; });
  add([](GemmKey& k) { k.kind = GemmKind::backward_weight; });
  add([](GemmKey& k) { k.addend = GemmAddend::none; });
  add([](GemmKey& k) { k.addend = GemmAddend::in_place; });
  add([](GemmKey& k) { k.tokens = 57344; });
  add([](GemmKey& k) { k.outputs = 5121; });
  add([](GemmKey& k) { k.inputs = 25601; });
  for (std::size_t i = 0; i < 4; ++i) {
    add([i](GemmKey& k) { k.strides[i] += 1; });
    add([i](GemmKey& k) { k.alignments[i] = 2; });
  }
  add([](GemmKey& k) { k.bias_alignment = 0; });
  return keys;
}

class GemmCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("longhaul_gemm_cache_test_" + std::to_string(::getpid()));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    file_ = directory_ / "gemm.jsonl";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void expect_example(const GemmCache& cache) {
    const GemmAlgorithm* const found = cache.find(example_key());
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->data, example_algorithm().data);
    EXPECT_EQ(found->tflops, 655.25);
    EXPECT_EQ(found->first_tflops, 640.5);
  }

  std::filesystem::path directory_;
  std::filesystem::path file_;
};

TEST(TokenBucket, IsAtMostAnEighthLarger) {
  for (std::int64_t tokens = 1; tokens < 300000; ++tokens) {
    const std::int64_t bucket = token_bucket(tokens);
    ASSERT_GE(bucket, tokens);
    ASSERT_LE(8 * (bucket - tokens), tokens) << tokens;
    ASSERT_EQ(token_bucket(bucket), bucket) << tokens;
    ASSERT_LE(bucket, token_bucket(tokens + 1)) << tokens;
  }
}

TEST(TokenBucket, HasEightStepsAnOctave) {
  std::set<std::int64_t> buckets;
  for (std::int64_t tokens = 32769; tokens <= 65536; ++tokens) buckets.insert(token_bucket(tokens));
  EXPECT_EQ(buckets.size(), 8U);
  EXPECT_EQ(*buckets.begin(), 36864);
  EXPECT_EQ(*buckets.rbegin(), 65536);
  EXPECT_EQ(token_bucket(65537), 73728);
  EXPECT_EQ(token_bucket(1), 1);
  EXPECT_EQ(token_bucket(16), 16);
  EXPECT_EQ(token_bucket(17), 18);
  EXPECT_EQ(token_bucket(std::int64_t{1} << 40U), std::int64_t{1} << 40U);
}

TEST(GemmKeyText, TellsEveryFieldApart) {
  std::set<std::string> texts{example_key().text()};
  std::set<std::size_t> hashes{GemmKeyHash()(example_key())};
  for (const GemmKey& key : other_keys()) {
    EXPECT_NE(key, example_key());
    EXPECT_TRUE(texts.insert(key.text()).second) << key.text();
    EXPECT_TRUE(hashes.insert(GemmKeyHash()(key)).second) << key.text();
  }
  // Equal sums and swapped fields are the usual ways for a hash to be poor.
  std::set<std::size_t> spread;
  for (std::int64_t n = 1; n <= 64; ++n) {
    for (std::int64_t k = 1; k <= 64; ++k) {
      GemmKey key = example_key();
      key.outputs = n;
      key.inputs = k;
      spread.insert(GemmKeyHash()(key));
    }
  }
  EXPECT_EQ(spread.size(), 64U * 64U);
  EXPECT_EQ(example_key().text(),
            "forward t65536 n5120 k25600 strides 25600,25600,5120,5120 alignments 256,256,16,128 "
            "addend separate bias 16");
}

TEST_F(GemmCacheTest, MakesTheFolderOfItsFile) {
  const std::filesystem::path file = directory_ / "a" / "b" / "gemm.jsonl";
  GemmCache cache("a device", 1);
  cache.insert(example_key(), example_algorithm());
  cache.save(file);
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(GemmCacheTest, KeepsWhatWasInserted) {
  GemmCache cache(kDevice, kVersion);
  EXPECT_EQ(cache.find(example_key()), nullptr);
  EXPECT_FALSE(cache.changed());
  cache.insert(example_key(), example_algorithm());
  EXPECT_TRUE(cache.changed());
  expect_example(cache);
  for (const GemmKey& key : other_keys()) EXPECT_EQ(cache.find(key), nullptr);
}

TEST_F(GemmCacheTest, FileBringsEverythingBack) {
  GemmCache cache(kDevice, kVersion);
  cache.insert(example_key(), example_algorithm());
  for (const GemmKey& key : other_keys()) {
    GemmAlgorithm algorithm = example_algorithm();
    algorithm.data[1] = GemmKeyHash()(key);
    cache.insert(key, algorithm);
  }
  cache.save(file_);
  EXPECT_FALSE(cache.changed());

  GemmCache again(kDevice, kVersion);
  EXPECT_EQ(again.load(file_), 1 + other_keys().size());
  EXPECT_FALSE(again.changed());
  expect_example(again);
  for (const GemmKey& key : other_keys()) {
    ASSERT_NE(again.find(key), nullptr);
    EXPECT_EQ(again.find(key)->data[1], GemmKeyHash()(key));
  }
  // Nothing is left over, and saving what was loaded changes no byte.
  const std::string text = read_text_file(file_);
  again.save(file_);
  EXPECT_EQ(read_text_file(file_), text);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(GemmCacheTest, AnotherDeviceOrLibraryUsesNothingAndLosesNothing) {
  GemmCache cache(kDevice, kVersion);
  cache.insert(example_key(), example_algorithm());
  cache.save(file_);

  GemmCache newer(kDevice, kVersion + 1);
  EXPECT_EQ(newer.load(file_), 0U);
  EXPECT_EQ(newer.find(example_key()), nullptr);
  newer.insert(other_keys().front(), example_algorithm());
  newer.save(file_);
  GemmCache other("NVIDIA H200, 132 SMs", kVersion);
  EXPECT_EQ(other.load(file_), 0U);
  other.insert(example_key(), example_algorithm());
  other.save(file_);

  GemmCache again(kDevice, kVersion);
  EXPECT_EQ(again.load(file_), 1U);
  expect_example(again);
  EXPECT_EQ(GemmCache(kDevice, kVersion + 1).load(file_), 1U);
  EXPECT_EQ(GemmCache("NVIDIA H200, 132 SMs", kVersion).load(file_), 1U);
}

TEST_F(GemmCacheTest, SavingKeepsWhatAnotherRunHasSavedMeanwhile) {
  GemmCache first(kDevice, kVersion);
  GemmCache second(kDevice, kVersion);
  first.insert(example_key(), example_algorithm());
  second.insert(other_keys().front(), example_algorithm());
  first.save(file_);
  second.save(file_);
  EXPECT_EQ(GemmCache(kDevice, kVersion).load(file_), 2U);
}

TEST_F(GemmCacheTest, WhatWasFoundNowIsPreferredToTheFile) {
  GemmCache old(kDevice, kVersion);
  GemmAlgorithm algorithm = example_algorithm();
  algorithm.data[0] = 7;
  old.insert(example_key(), algorithm);
  old.save(file_);

  GemmCache cache(kDevice, kVersion);
  cache.insert(example_key(), example_algorithm());
  EXPECT_EQ(cache.load(file_), 1U);
  expect_example(cache);
  cache.save(file_);
  GemmCache again(kDevice, kVersion);
  EXPECT_EQ(again.load(file_), 1U);
  expect_example(again);
}

TEST_F(GemmCacheTest, DamagedLinesAreIgnored) {
  GemmCache cache(kDevice, kVersion);
  cache.insert(example_key(), example_algorithm());
  cache.save(file_);
  const std::string good = read_text_file(file_);
  const std::string head = good.substr(0, good.find('\n') + 1);
  const std::string line = good.substr(head.size());

  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = line;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  for (const std::string& bad : {
           std::string("\n"),
           std::string("not json\n"),
           std::string("[]\n"),
           std::string("{}\n"),
           std::string("\xFF\xFE{\n"),
           line.substr(0, line.size() / 2) + "\n",
           replaced("0123456789abcdef", "0123456789abcde"),
           replaced("0123456789abcdef", "0123456789abcdeg"),
           replaced("0123456789abcdef", "0123456789ABCDEF"),
           replaced("130100", "\"130100\""),
           replaced("130100", "-130100"),
           replaced("655.25", "null"),
           replaced("\"gemm\"", "\"shape\""),
       }) {
    write_text_file(file_, head + bad);
    EXPECT_EQ(GemmCache(kDevice, kVersion).load(file_), 0U) << bad;
    write_text_file(file_, head + bad + line);
    GemmCache after(kDevice, kVersion);
    EXPECT_EQ(after.load(file_), 1U) << bad;
    expect_example(after);
  }
  // A last line without its end is a line.
  write_text_file(file_, good.substr(0, good.size() - 1));
  EXPECT_EQ(GemmCache(kDevice, kVersion).load(file_), 1U);
}

TEST_F(GemmCacheTest, OtherFormatsAreIgnoredAndReplaced) {
  GemmCache cache(kDevice, kVersion);
  EXPECT_EQ(cache.load(file_), 0U) << "no file";
  for (const char* text :
       {"", "\n", "hello\n", "{\"format\":\"longhaul gemm algorithms 2\"}\n{}\n"}) {
    write_text_file(file_, text);
    EXPECT_EQ(cache.load(file_), 0U) << text;
  }
  cache.insert(example_key(), example_algorithm());
  cache.save(file_);
  EXPECT_EQ(GemmCache(kDevice, kVersion).load(file_), 1U);
}

TEST_F(GemmCacheTest, AFileThatCannotBeWrittenIsNamed) {
  GemmCache cache(kDevice, kVersion);
  cache.insert(example_key(), example_algorithm());
  write_text_file(directory_ / "occupied", "no folder");
  const std::filesystem::path nowhere = directory_ / "occupied" / "gemm.jsonl";
  try {
    cache.save(nowhere);
    FAIL() << "saved below a file";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("occupied"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(cache.changed());
}

}  // namespace
}  // namespace longhaul
