#include "core/arena.h"

#include <gtest/gtest.h>

#include <memory>

#include "core/error.h"

namespace longhaul {
namespace {

void take(Arena& arena) {
  arena.allocate_array<float>(10, "a");
  {
    const ArenaScope scope(arena);
    arena.allocate(1000, "b");
  }
  arena.allocate(1, "c");
}

TEST(Arena, MeasuringGivesTheSizeThatTheRealRunNeeds) {
  Arena measuring;
  take(measuring);
  EXPECT_EQ(measuring.peak(), Arena::kAlignment + 1024);
  EXPECT_EQ(measuring.used(), 2 * Arena::kAlignment);

  const auto block = std::make_unique<std::byte[]>(measuring.peak());
  Arena real(block.get(), measuring.peak());
  take(real);
  EXPECT_EQ(real.peak(), measuring.peak());
}

TEST(Arena, NamesWhatDoesNotFit) {
  const auto block = std::make_unique<std::byte[]>(512);
  Arena arena(block.get(), 512);
  arena.allocate(512, "first");
  try {
    arena.allocate(1, "second");
    FAIL() << "no error";
  } catch (const InternalError& error) {
    EXPECT_NE(std::string(error.what()).find("second"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace longhaul
