#pragma once

// Where each segment of a call begins in each tensor, and how long it is, as cuDNN reads it from
// device memory.

#include <array>
#include <cstddef>
#include <cstdint>

#include "compute/cuda/cudnn/cudnn_groups.h"

namespace longhaul::cudnn {

/// The tensors of a call; the forward pass has the first five only.
enum Tensor : std::uint8_t { kQ, kK, kV, kO, kStats, kDO, kDQ, kDK, kDV };
inline constexpr int kForwardTensors = 5;
inline constexpr int kBackwardTensors = 9;

/// Elements between two rows (tokens) of each tensor.
using RowStrides = std::array<std::int64_t, kBackwardTensors>;

/// One call's tables, one after the other from some base: for each tensor int64 [batch + 1], the
/// element at which each entry's rows begin; then int32 [batch] query rows and int32 [batch] keys.
/// Each table begins at a multiple of 16 bytes.
class MetadataLayout {
 public:
  MetadataLayout(std::int32_t batch, int tensors) : batch_(batch), tensors_(tensors) {}

  [[nodiscard]] std::size_t offsets_at(int tensor) const;
  [[nodiscard]] std::size_t q_lengths_at() const { return offsets_at(tensors_); }
  [[nodiscard]] std::size_t kv_lengths_at() const;
  [[nodiscard]] std::size_t bytes() const;

  /// Fills the tables. Entries beyond the group's parts have no rows and begin where the last part
  /// ends.
  void write(const Group& group, const RowStrides& strides, std::byte* base) const;

 private:
  std::int32_t batch_;
  int tensors_;
};

}  // namespace longhaul::cudnn
