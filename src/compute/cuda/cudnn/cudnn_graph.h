#pragma once

// One cuDNN execution plan for attention: built for a shape, run with any pointers.

#include <array>
#include <cstddef>
#include <memory>

#include "compute/cuda/cudnn/cudnn_library.h"
#include "compute/cuda/cudnn/cudnn_shape.h"

namespace longhaul::cudnn {

/// Device memory of one call. BF16 except for the stats.
struct PlanPointers {
  /// q, o, d_o, dq [rows, heads * head_dim], k, v, dk, dv [rows, kv_heads * head_dim], stats [rows,
  /// heads] fp32 (natural logarithm of the sum of exponentials), rows `strides` apart; the first
  /// kForwardTensors or all. o and stats are written in the forward direction, dq, dk and dv in the
  /// backward direction: rows of the segments only, overwritten.
  std::array<void*, kBackwardTensors> tensors{};
  /// Tables as MetadataLayout lays them out.
  std::byte* metadata = nullptr;
  void* workspace = nullptr;  // workspace_bytes(), aligned to 256 bytes
};

class Plan {
 public:
  /// Throws InternalError with cuDNN's reason when it has no plan for this shape. Takes about a
  /// second, because cuDNN compiles the kernel.
  Plan(const Handle& handle, const PlanShape& shape);
  ~Plan();
  Plan(Plan&&) noexcept;
  Plan& operator=(Plan&&) noexcept;

  /// Throws InternalError unless cuDNN says that it has a plan; compiles nothing.
  static void check_support(const Handle& handle, const PlanShape& shape);

  [[nodiscard]] const PlanShape& shape() const { return shape_; }
  [[nodiscard]] std::size_t workspace_bytes() const { return workspace_bytes_; }
  /// Issues the call on the handle's stream. The backward direction adds up dq with atomics, so its
  /// last bits differ from run to run.
  void execute(const Handle& handle, const PlanPointers& pointers) const;

 private:
  struct Graph;
  PlanShape shape_;
  std::unique_ptr<Graph> graph_;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace longhaul::cudnn
