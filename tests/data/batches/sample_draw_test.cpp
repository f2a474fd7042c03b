// path#N: how it is written, what it draws, and what a run makes of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/error.h"
#include "data/batch_test_support.h"
#include "data/batches/random_order.h"
#include "data/batches/row_draw.h"
#include "data/batches/sample_selection.h"
#include "data/files/data_source.h"

namespace longhaul {
namespace {

using Numbers = std::vector<std::int64_t>;

TEST(DataSource, NumberAfterTheLastMark) {
  EXPECT_EQ(parse_data_source("rows.jsonl").draw, std::nullopt);
  const DataSource some = parse_data_source("folder/rows.jsonl#500");
  EXPECT_EQ(some.path, "folder/rows.jsonl");
  EXPECT_EQ(some.draw, 500);
  EXPECT_EQ(some.text(), "folder/rows.jsonl#500");
  EXPECT_EQ(parse_data_source("a#1#2").path, "a#1");
  for (const char* whole : {"rows#x.jsonl", "rows#", "#5", "rows#-5", "rows#5a"}) {
    EXPECT_EQ(parse_data_source(whole).path, whole);
    EXPECT_EQ(parse_data_source(whole).draw, std::nullopt);
  }
  for (const char* bad : {"rows#0", "rows#99999999999999999999", "rows#1000000001"}) {
    EXPECT_THROW(parse_data_source(bad), UserError) << bad;
  }
}

TEST(DataSource, AFileOfThatNameWins) {
  const test::TemporaryDirectory folder;
  const std::string name = (folder.path() / "rows.jsonl#3").string();
  test::write_bytes(name, "{}\n");
  EXPECT_EQ(parse_data_source(name).path, name);
  EXPECT_EQ(parse_data_source(name).draw, std::nullopt);
  EXPECT_EQ(parse_data_source(name + "#2").path, name);
  EXPECT_EQ(parse_data_source(name + "#2").draw, 2);
}

TEST(DrawSamples, TheFirstOfTheRandomOrder) {
  Numbers samples(10);
  std::iota(samples.begin(), samples.end(), 100);
  const Numbers order = random_order(10, 42, OrderPurpose::draw, 3);
  Numbers expected;
  for (int i = 0; i < 4; ++i) expected.push_back(100 + order[static_cast<std::size_t>(i)]);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(draw_samples(samples, 4, 42, 3), expected);
  EXPECT_NE(draw_samples(samples, 4, 42, 0), expected);
  EXPECT_NE(draw_samples(samples, 4, 43, 3), expected);
  EXPECT_EQ(draw_samples(samples, 10, 42, 3), samples);
  EXPECT_TRUE(draw_samples({}, 10, 42, 3).empty());

  // 24 = 2 of each, and these four once more.
  Numbers more = draw_samples(samples, 24, 42, 3);
  EXPECT_TRUE(std::is_sorted(more.begin(), more.end()));
  for (const std::int64_t sample : samples) {
    const bool again = std::binary_search(expected.begin(), expected.end(), sample);
    EXPECT_EQ(std::count(more.begin(), more.end(), sample), again ? 3 : 2);
  }
}

/// 8 samples of 10 tokens in a first file, the second of them too long, and 4 in a second one.
class SelectionTest : public testing::Test {
 protected:
  SampleSelection select(const DatasetOptions& options) const {
    return {
        {offsets_, first_, last_, {0, 8, 12}}, {.read = 14, .kept = 12, .rejected = 2}, options};
  }
  static DatasetOptions options(std::optional<std::int64_t> first,
                                std::optional<std::int64_t> second) {
    DatasetOptions options;
    options.files = {DataSource("a", first), DataSource("b", second)};
    options.max_length = 50;
    return options;
  }

  Numbers offsets_ = {0, 10, 110, 120, 130, 140, 150, 160, 170, 180, 190, 200, 210};
  std::vector<std::int32_t> first_ = std::vector<std::int32_t>(12, 1);
  std::vector<std::int32_t> last_ = std::vector<std::int32_t>(12, 9);
};

TEST_F(SelectionTest, DrawsAmongTheKeptRowsOfEachFile) {
  const SampleSelection some = select(options(3, std::nullopt));
  EXPECT_EQ(some.training().size(), 3U + 4U);
  EXPECT_EQ(some.counts().read, 14);
  EXPECT_EQ(some.counts().kept, 11);
  EXPECT_EQ(some.counts().rejected, 3);
  EXPECT_EQ(some.counts().not_drawn, 4);
  EXPECT_EQ(some.counts().copies, 0);
  EXPECT_EQ(some.use(1), SampleUse::rejected);
  std::int64_t not_drawn = 0;
  for (std::int64_t sample = 0; sample < 8; ++sample) {
    not_drawn += some.use(sample) == SampleUse::not_drawn ? 1 : 0;
  }
  EXPECT_EQ(not_drawn, 4);
}

TEST_F(SelectionTest, CopiesOfARowAreNeverInOnePack) {
  const SampleSelection twice = select(options(17, std::nullopt));
  EXPECT_EQ(twice.training().size(), 17U + 4U);
  EXPECT_EQ(twice.counts().not_drawn, 0);
  EXPECT_EQ(twice.counts().copies, 10);
  EXPECT_EQ(twice.training_copies(1), 0);
  std::size_t samples = 0;
  for (const Pack& pack : twice.training_packs()) {
    EXPECT_LE(pack.tokens, 50);
    EXPECT_EQ(std::set(pack.samples.begin(), pack.samples.end()).size(), pack.samples.size());
    samples += pack.samples.size();
  }
  EXPECT_EQ(samples, 21U);
}

TEST_F(SelectionTest, NoRowIsTrainedOnAndEvaluatedOn) {
  DatasetOptions split = options(21, 2);
  split.split_dataset_ratio = 0.3;  // of the 7 + 2 rows that are drawn
  const SampleSelection selection = select(split);
  EXPECT_EQ(selection.validation().size(), 2U);
  for (const std::int64_t sample : selection.validation()) {
    EXPECT_EQ(selection.use(sample), SampleUse::validation);
    EXPECT_EQ(selection.training_copies(sample), 0);
  }
  // A row of --val_dataset is evaluated on once, however many are asked for.
  DatasetOptions files = options(std::nullopt, std::nullopt);
  files.validation_files = {DataSource("b", 9)};
  files.files.pop_back();
  EXPECT_EQ(select(files).validation(), (Numbers{8, 9, 10, 11}));
  EXPECT_EQ(select(files).training().size(), 7U);
  files.validation_files = {DataSource("b", 3)};
  EXPECT_EQ(select(files).validation().size(), 3U);
  EXPECT_EQ(select(files).counts().not_drawn, 1);
}

}  // namespace
}  // namespace longhaul
