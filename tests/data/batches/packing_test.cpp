#include "data/batches/packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>

#include "core/error.h"

namespace longhaul {
namespace {

std::vector<std::int64_t> all_samples(std::size_t count) {
  std::vector<std::int64_t> samples(count);
  std::iota(samples.begin(), samples.end(), std::int64_t{0});
  return samples;
}

/// First-fit decreasing word by word: every pack is tried in order.
std::vector<Pack> slow_first_fit(const std::vector<std::int64_t>& samples,
                                 const std::vector<std::int64_t>& lengths,
                                 std::int64_t max_length) {
  auto order = samples;
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return lengths[static_cast<std::size_t>(a)] > lengths[static_cast<std::size_t>(b)];
  });
  std::vector<Pack> packs;
  for (const std::int64_t sample : order) {
    const std::int64_t length = lengths[static_cast<std::size_t>(sample)];
    auto pack = std::find_if(packs.begin(), packs.end(), [&](const Pack& candidate) {
      return candidate.tokens + length <= max_length;
    });
    if (pack == packs.end()) pack = packs.insert(packs.end(), Pack{});
    pack->samples.push_back(sample);
    pack->tokens += length;
  }
  return packs;
}

TEST(Packing, KnownAnswer) {
  const std::vector<std::int64_t> lengths = {4, 8, 1, 4, 2, 1, 10, 8};
  const auto packs = pack_samples(all_samples(8), lengths, 10, PackingMode::first_fit_decreasing);
  // 6 (10) | 1 (8) + 4 (2) | 7 (8) + 2 (1) + 5 (1) | 0 (4) + 3 (4)
  ASSERT_EQ(packs.size(), 4U);
  EXPECT_EQ(packs[0].samples, (std::vector<std::int64_t>{6}));
  EXPECT_EQ(packs[1].samples, (std::vector<std::int64_t>{4, 1}));
  EXPECT_EQ(packs[2].samples, (std::vector<std::int64_t>{2, 5, 7}));
  EXPECT_EQ(packs[3].samples, (std::vector<std::int64_t>{0, 3}));
  EXPECT_EQ(packs[2].tokens, 10);
  EXPECT_EQ(packs[2].sum_squared_lengths, 66);
}

TEST(Packing, EverySampleOnceAndNoPackTooLong) {
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 30; ++repeat) {
    const std::int64_t max_length = 50 + static_cast<std::int64_t>(random() % 100);
    std::vector<std::int64_t> lengths(random() % 300);
    for (auto& length : lengths) {
      length = 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(max_length));
    }
    std::vector<std::int64_t> samples;  // a subset, as after a validation split
    for (const std::int64_t sample : all_samples(lengths.size())) {
      if (random() % 4 != 0) samples.push_back(sample);
    }
    const auto packs =
        pack_samples(samples, lengths, max_length, PackingMode::first_fit_decreasing);
    std::vector<std::int64_t> seen;
    for (const Pack& pack : packs) {
      ASSERT_FALSE(pack.samples.empty());
      std::int64_t tokens = 0;
      std::int64_t squares = 0;
      for (const std::int64_t sample : pack.samples) {
        const std::int64_t length = lengths[static_cast<std::size_t>(sample)];
        tokens += length;
        squares += length * length;
        seen.push_back(sample);
      }
      EXPECT_EQ(pack.tokens, tokens);
      EXPECT_EQ(pack.sum_squared_lengths, squares);
      EXPECT_LE(tokens, max_length);
      EXPECT_TRUE(std::is_sorted(pack.samples.begin(), pack.samples.end(), [&](auto a, auto b) {
        return std::pair(lengths[static_cast<std::size_t>(a)], a) <
               std::pair(lengths[static_cast<std::size_t>(b)], b);
      }));
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, samples);

    const auto slow = slow_first_fit(samples, lengths, max_length);
    ASSERT_EQ(packs.size(), slow.size());
    for (std::size_t i = 0; i < packs.size(); ++i) {
      EXPECT_TRUE(std::is_permutation(packs[i].samples.begin(), packs[i].samples.end(),
                                      slow[i].samples.begin(), slow[i].samples.end()));
    }
  }
}

TEST(Packing, WindowsArePackedIndependently) {
  const std::vector<std::int64_t> lengths = {6, 6, 4, 4};
  const auto windowed =
      pack_samples(all_samples(4), lengths, 10, PackingMode::first_fit_decreasing, 2);
  ASSERT_EQ(windowed.size(), 3U);  // 6 | 6 | 4 + 4
  EXPECT_EQ(windowed[2].samples, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(pack_samples(all_samples(4), lengths, 10, PackingMode::first_fit_decreasing).size(),
            2U);
}

TEST(Packing, OffGivesOneSampleAPackInOrder) {
  const std::vector<std::int64_t> lengths = {6, 1, 4};
  const std::vector<std::int64_t> samples = {0, 2};
  const auto packs = pack_samples(samples, lengths, 10, PackingMode::one_sample);
  ASSERT_EQ(packs.size(), 2U);
  EXPECT_EQ(packs[0].samples, (std::vector<std::int64_t>{0}));
  EXPECT_EQ(packs[1].samples, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(packs[1].tokens, 4);
  EXPECT_EQ(packs[1].sum_squared_lengths, 16);
}

TEST(Packing, RefusesSamplesThatDoNotFit) {
  const std::vector<std::int64_t> lengths = {6, 11};
  EXPECT_THROW(pack_samples(all_samples(2), lengths, 10, PackingMode::first_fit_decreasing),
               InternalError);
  EXPECT_TRUE(pack_samples({}, lengths, 10, PackingMode::first_fit_decreasing).empty());
}

TEST(Packing, AMillionShortSamplesTakeSecondsNotMinutes) {
  std::mt19937_64 random(2);
  std::vector<std::int64_t> lengths(1'000'000);
  for (auto& length : lengths) length = 1 + static_cast<std::int64_t>(random() % 8000);
  const auto begin = std::chrono::steady_clock::now();
  const auto packs =
      pack_samples(all_samples(lengths.size()), lengths, 64000, PackingMode::first_fit_decreasing);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const std::int64_t tokens = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  EXPECT_LT(static_cast<double>(packs.size()) * 64000.0, static_cast<double>(tokens) * 1.01);
  EXPECT_LT(seconds.count(), 30.0);  // quadratic search would take far longer
}

}  // namespace
}  // namespace longhaul
