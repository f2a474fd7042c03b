#include "comm/chunk_order.h"

#include <cstddef>

namespace longhaul {

std::vector<std::int32_t> chunk_order(int cp) {
  std::vector<std::int32_t> order;
  for (int rank = 0; rank < cp; ++rank) {
    order.push_back(rank);
    order.push_back(2 * cp - 1 - rank);
  }
  return order;
}

std::vector<std::int32_t> inverse_chunk_order(int cp) {
  const std::vector<std::int32_t> order = chunk_order(cp);
  std::vector<std::int32_t> inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
  }
  return inverse;
}

}  // namespace longhaul
