#include "metrics/tensorboard_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "metrics/event_encoding.h"
#include "temporary_directory.h"

namespace longhaul {
namespace {

using test::read_file;
using test::TemporaryDirectory;
using test::write_file;

/// The data of all records, after checking every checksum and that nothing is left over.
std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> result;
  std::size_t at = 0;
  while (at + 12 <= file.size()) {
    std::uint64_t length = 0;
    std::uint32_t crc = 0;
    std::memcpy(&length, file.data() + at, 8);
    std::memcpy(&crc, file.data() + at + 8, 4);
    EXPECT_EQ(crc, masked_crc32c(file.substr(at, 8)));
    const std::string data = file.substr(at + 12, length);
    std::memcpy(&crc, file.data() + at + 12 + length, 4);
    EXPECT_EQ(crc, masked_crc32c(data));
    result.push_back(data);
    at += 16 + length;
  }
  EXPECT_EQ(at, file.size());
  return result;
}

bool mentions(const std::vector<std::string>& events, const std::string& text) {
  return std::any_of(events.begin(), events.end(), [&](const std::string& event) {
    return event.find(text) != std::string::npos;
  });
}

TEST(TensorBoardWriter, StepIsVisibleWithoutClosing) {
  const TemporaryDirectory folder;
  TensorBoardWriter writer(folder / "runs", 0);
  StepMetrics metrics;
  metrics.step = 1;
  metrics.loss = 2.5;
  writer.write_step(metrics);
  const auto events = records(read_file(writer.path()));
  EXPECT_TRUE(mentions(events, "brain.Event:2"));
  for (const char* tag :
       {"train/loss", "train/grad_norm", "train/learning_rate", "speed/tokens_per_second",
        "speed/model_tflops", "time/forward", "data/padding_share"}) {
    EXPECT_TRUE(mentions(events, tag)) << tag;
  }
  EXPECT_FALSE(mentions(events, "speed/mfu")) << "the peak is unknown";
  EXPECT_FALSE(mentions(events, "eval/loss")) << "there was no evaluation";
}

TEST(TensorBoardWriter, LaterFilesSortAfterEarlierOnes) {
  const TemporaryDirectory folder;
  std::vector<std::string> names;
  for (int run = 0; run < 3; ++run) {
    TensorBoardWriter writer(folder.path(), run);
    names.push_back(writer.path().filename().string());
    writer.close();
  }
  // One written by a clock far ahead: we still come after it.
  write_file(folder / "events.out.tfevents.9000000000.host.1", "");
  const TensorBoardWriter last(folder.path(), 4);
  names.push_back("events.out.tfevents.9000000000.host.1");
  names.push_back(last.path().filename().string());
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(TensorBoardWriter, ResumeTellsTheReaderWhereItBegins) {
  const TemporaryDirectory folder;
  const TensorBoardWriter writer(folder.path(), 7);
  const auto events = records(read_file(writer.path()));
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].substr(9), restart_event(0.0, 8).substr(9));
}

TEST(TensorBoardWriter, UnwritableFolderIsNamed) {
  const TemporaryDirectory folder;
  write_file(folder / "file", "not a folder");
  try {
    const TensorBoardWriter writer(folder / "file", 0);
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find((folder / "file").string()), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("check the path"), std::string::npos);
  }
}

}  // namespace
}  // namespace longhaul
