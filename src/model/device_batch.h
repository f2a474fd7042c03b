#pragma once

#include <cstdint>
#include <span>

#include "core/tensor/attention_shape.h"

namespace longhaul {

/// One micro-batch as this rank sees it. Arrays are device memory.
struct DeviceBatch {
  std::int64_t stream_tokens = 0;           // T; a multiple of 2 * cp * tp
  const std::int32_t* ids = nullptr;        // [T / cp]
  const std::int32_t* positions = nullptr;  // [T / cp], restarting at each document
  // Rows (of the T / cp local ones) whose next token carries loss:
  std::int64_t loss_row_count = 0;
  const std::int32_t* loss_rows = nullptr;     // [loss_row_count], ascending
  const std::int32_t* targets = nullptr;       // [loss_row_count]
  const float* target_weights = nullptr;       // [loss_row_count]
  std::span<const AttentionSegment> segments;  // host memory
};

}  // namespace longhaul
