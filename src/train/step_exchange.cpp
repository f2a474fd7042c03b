#include "train/step_exchange.h"

#include <cstring>
#include <string>

#include "core/error.h"

namespace longhaul {

std::vector<RankStep> exchange_steps(Coordinator& coordinator, const RankStep& mine) {
  std::string bytes(sizeof(RankStep), '\0');
  std::memcpy(bytes.data(), &mine, sizeof(RankStep));
  std::vector<RankStep> ranks;
  for (const std::string& part : coordinator.all_gather(bytes)) {
    LONGHAUL_CHECK(part.size() == sizeof(RankStep), "{} bytes from rank {}", part.size(),
                   ranks.size());
    std::memcpy(&ranks.emplace_back(), part.data(), sizeof(RankStep));
  }
  return ranks;
}

}  // namespace longhaul
