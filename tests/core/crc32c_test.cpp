#include "core/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace longhaul {
namespace {

TEST(Crc32c, HasTheStandardCheckValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(""), 0U);
  // RFC 3720, appendix B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
}

TEST(Crc32c, PiecesGiveTheValueOfTheWhole) {
  Crc32c pieces;
  pieces.update("1234", 4);
  pieces.update(nullptr, 0);
  pieces.update("56789", 5);
  EXPECT_EQ(pieces.value(), 0xe3069283U);
}

}  // namespace
}  // namespace longhaul
