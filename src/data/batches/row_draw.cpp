#include "data/batches/row_draw.h"

#include "core/error.h"
#include "data/batches/random_order.h"

namespace longhaul {

std::vector<std::int64_t> draw_samples(std::span<const std::int64_t> samples, std::int64_t count,
                                       std::uint64_t seed, std::uint64_t file) {
  const auto n = static_cast<std::int64_t>(samples.size());
  if (n == 0) return {};
  LONGHAUL_CHECK(count >= 0, "{} rows to draw", count);
  std::vector<std::int64_t> copies(samples.size(), count / n);
  const std::vector<std::int64_t> order = random_order(n, seed, OrderPurpose::draw, file);
  for (std::int64_t i = 0; i < count % n; ++i) {
    ++copies[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
  }
  std::vector<std::int64_t> drawn;
  drawn.reserve(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    drawn.insert(drawn.end(), static_cast<std::size_t>(copies[i]), samples[i]);
  }
  return drawn;
}

}  // namespace longhaul
