#include "metrics/event_encoding.h"

#include <gtest/gtest.h>

#include <cstring>

namespace longhaul {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

std::string raw(double value) {
  std::string text(sizeof(value), '\0');
  std::memcpy(text.data(), &value, sizeof(value));
  return text;
}

std::uint32_t unmask(std::uint32_t masked) {
  const std::uint32_t rotated = masked - 0xa282ead8U;
  return rotated << 15U | rotated >> 17U;
}

// Check value of CRC-32C in the catalogues, and the vectors of RFC 3720, B.4.
TEST(MaskedCrc32c, KnownAnswers) {
  EXPECT_EQ(unmask(masked_crc32c("123456789")), 0xe3069283U);
  EXPECT_EQ(unmask(masked_crc32c("")), 0U);
  EXPECT_EQ(unmask(masked_crc32c(std::string(32, '\0'))), 0x8a9136aaU);
  EXPECT_EQ(unmask(masked_crc32c(std::string(32, '\xff'))), 0x62a8ab43U);
}

TEST(TfRecord, FramesLengthAndBothChecksums) {
  const std::string record = tfrecord("123456789");
  ASSERT_EQ(record.size(), 8U + 4U + 9U + 4U);
  EXPECT_EQ(record.substr(0, 8), bytes({9, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(record.substr(12, 9), "123456789");
  std::uint32_t length_crc = 0;
  std::uint32_t data_crc = 0;
  std::memcpy(&length_crc, record.data() + 8, 4);
  std::memcpy(&data_crc, record.data() + 21, 4);
  EXPECT_EQ(length_crc, masked_crc32c(record.substr(0, 8)));
  EXPECT_EQ(unmask(data_crc), 0xe3069283U);
}

// Written out by hand from the wire format: key = field << 3 | type.
TEST(Events, BytesOfTheVersionEvent) {
  EXPECT_EQ(version_event(1.5), bytes({0x09}) + raw(1.5) + bytes({0x1a, 13}) + "brain.Event:2");
}

TEST(Events, BytesOfAScalar) {
  // step 300 is the varint ac 02; 1.0f is 00 00 80 3f.
  const std::string value = bytes({0x0a, 4}) + "loss" + bytes({0x15, 0, 0, 0x80, 0x3f});
  const std::string summary = bytes({0x0a, static_cast<int>(value.size())}) + value;
  EXPECT_EQ(scalar_event(2.0, 300, "loss", 1.0F),
            bytes({0x09}) + raw(2.0) + bytes({0x10, 0xac, 0x02}) +
                bytes({0x2a, static_cast<int>(summary.size())}) + summary);
}

TEST(Events, RestartCarriesItsStep) {
  EXPECT_EQ(restart_event(2.0, 11), bytes({0x09}) + raw(2.0) + bytes({0x10, 11, 0x3a, 2, 0x08, 1}));
}

}  // namespace
}  // namespace longhaul
