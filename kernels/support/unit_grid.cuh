#pragma once

// Elementwise kernels: a matrix is cut into units, and a thread reads a few of them before it
// writes the first.

#include "core/tensor/matrix.h"
#include "kernels/support/divider.cuh"
#include "kernels/support/launch_shape.cuh"
#include "kernels/support/view_checks.cuh"

namespace longhaul::kernels {

struct UnitPlace {
  std::int64_t row;
  std::int64_t col;
};

/// Do all threads of the block have units in all of their steps?
enum class Block { whole, partial };

/// The units of a matrix [rows, cols], row after row, kSteps of them for each of kThreads.
template <int kWidth, int kThreads, int kSteps>
class UnitGrid {
 public:
  /// rows > 0, cols > 0 and a multiple of kWidth.
  UnitGrid(std::int64_t rows, std::int64_t cols)
      : per_row_(cols / kWidth), last_(rows * (cols / kWidth) - 1) {}

  [[nodiscard]] unsigned blocks() const {
    return static_cast<unsigned>(last_ / (kThreads * kSteps) + 1);
  }
  /// Calls body.template operator()<Block>(). A whole block's body is straight code: a compiler
  /// that sees a unit's store depend on a test moves the unit's loads behind that test as well, and
  /// then they are not in flight together.
  template <typename Body>
  __device__ __forceinline__ void run(Body&& body) const {
    if ((static_cast<std::int64_t>(blockIdx.x) + 1) * (kThreads * kSteps) <= last_ + 1) {
      body.template operator()<Block::whole>();
    } else {
      body.template operator()<Block::partial>();
    }
  }
  /// Is there a unit for this thread in this step?
  template <Block kBlock>
  [[nodiscard]] __device__ __forceinline__ bool has(int step) const {
    return kBlock == Block::whole || index(step) <= last_;
  }
  /// Where it lies; the last unit when there is none, so that reading needs no test.
  template <Block kBlock>
  [[nodiscard]] __device__ __forceinline__ UnitPlace place(int step) const {
    const std::int64_t at = index(step);
    UnitPlace place;
    per_row_.divide(kBlock == Block::whole || at < last_ ? at : last_, place.row, place.col);
    place.col *= kWidth;
    return place;
  }

 private:
  [[nodiscard]] __device__ __forceinline__ std::int64_t index(int step) const {
    return (static_cast<std::int64_t>(blockIdx.x) * kSteps + step) * kThreads + threadIdx.x;
  }

  Divider per_row_;
  std::int64_t last_;
};

/// Calls wide(a, b) for the columns that make whole units of kWidth, and narrow(a, b), whose units
/// are single elements, for the rest; narrow for everything when a or b is not aligned.
template <int kWidth, typename Wide, typename Narrow>
void by_alignment(const ConstMatrixView& a, const MatrixView& b, Wide&& wide, Narrow&& narrow) {
  const std::int64_t whole =
      is_aligned(a, kWidth) && is_aligned(b, kWidth) ? b.cols / kWidth * kWidth : 0;
  if (whole > 0) wide(a.col_range(0, whole), b.col_range(0, whole));
  const std::int64_t rest = b.cols - whole;
  if (rest > 0) narrow(a.col_range(whole, rest), b.col_range(whole, rest));
}

}  // namespace longhaul::kernels
