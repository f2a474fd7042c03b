#pragma once

#include <cstdint>
#include <vector>

#include "model/parameter_table.h"

namespace longhaul {

/// Where each parameter's row shard lies in this rank's flat fp32 arrays (gradients, master
/// weights, AdamW moments). Parameters that every TP rank holds lie at the end, so that their
/// gradients can be summed over TP, and left out of norms on all but one TP rank, as one range.
class ShardLayout {
 public:
  explicit ShardLayout(const ParameterTable& table);

  [[nodiscard]] std::int64_t offset(int parameter) const {
    return offsets_[static_cast<std::size_t>(parameter)];
  }
  [[nodiscard]] std::int64_t replicated_begin() const { return replicated_begin_; }
  [[nodiscard]] std::int64_t size() const { return size_; }

 private:
  std::vector<std::int64_t> offsets_;
  std::int64_t replicated_begin_ = 0;
  std::int64_t size_ = 0;
};

}  // namespace longhaul
