#include <cuda_bf16.h>

#include <algorithm>
#include <type_traits>

#include "core/cuda_check.h"
#include "kernels/elementwise.h"
#include "kernels/support/unit.cuh"
#include "kernels/support/unit_grid.cuh"
#include "kernels/support/view_checks.cuh"

namespace longhaul::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kSteps = 4;

template <int kWidth>
using Grid = UnitGrid<kWidth, kThreads, kSteps>;

/// y may be x: each unit is read before the same thread writes it.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    add_kernel(const T* x, std::int64_t x_stride, T* y, std::int64_t y_stride, Grid<kWidth> grid) {
  grid.run([&]<Block kBlock>() {
    Unit<T, kWidth> from[kSteps];
    Unit<T, kWidth> to[kSteps];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const UnitPlace at = grid.template place<kBlock>(step);
      from[step] = load_unit_streaming<kWidth>(x + at.row * x_stride + at.col);
      to[step] = load_unit_streaming<kWidth>(y + at.row * y_stride + at.col);
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const UnitPlace at = grid.template place<kBlock>(step);
      float a[kWidth];
      float b[kWidth];
      unpack(from[step], a);
      unpack(to[step], b);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) b[i] += a[i];
      if (grid.template has<kBlock>(step)) store_unit(y + at.row * y_stride + at.col, pack<T>(b));
    }
  });
}

template <typename From, typename To, int kWidth>
__global__ void __launch_bounds__(kThreads)
    convert_kernel(const From* src, std::int64_t src_stride, To* dst, std::int64_t dst_stride,
                   Grid<kWidth> grid) {
  grid.run([&]<Block kBlock>() {
    Unit<From, kWidth> from[kSteps];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const UnitPlace at = grid.template place<kBlock>(step);
      from[step] = load_unit_streaming<kWidth>(src + at.row * src_stride + at.col);
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const UnitPlace at = grid.template place<kBlock>(step);
      To* const to = dst + at.row * dst_stride + at.col;
      if constexpr (std::is_same_v<From, To>) {
        if (grid.template has<kBlock>(step))
          store_unit(to, from[step]);  // the bits as they are, NaNs too
      } else {
        float values[kWidth];
        unpack(from[step], values);
        if (grid.template has<kBlock>(step)) store_unit(to, pack<To>(values));
      }
    }
  });
}

/// Two matrices of one shape, as one long row if neither has gaps.
void flatten(ConstMatrixView& a, MatrixView& b) {
  if (!a.contiguous() || !b.contiguous()) return;
  const std::int64_t size = a.size();
  a = ConstMatrixView(a.data, a.dtype, 1, size);
  b = MatrixView(b.data, b.dtype, 1, size);
}

template <typename T, int kWidth>
void launch_add(const ConstMatrixView& x, const MatrixView& y, cudaStream_t stream) {
  const Grid<kWidth> grid(x.rows, x.cols);
  add_kernel<T, kWidth>
      <<<grid.blocks(), kThreads, 0, stream>>>(x.as<T>(), x.stride, y.as<T>(), y.stride, grid);
}

template <typename T>
void add_as(ConstMatrixView x, MatrixView y, const char* op, cudaStream_t stream) {
  if (x.size() == 0) return;
  flatten(x, y);
  constexpr int kWidth = 16 / sizeof(T);
  by_alignment<kWidth>(
      x, y, [=](const auto& a, const auto& b) { launch_add<T, kWidth>(a, b, stream); },
      [=](const auto& a, const auto& b) { launch_add<T, 1>(a, b, stream); });
  LONGHAUL_CUDA_CHECK_LAUNCH(op);
}

template <typename From, typename To, int kWidth>
void launch_convert(const ConstMatrixView& src, const MatrixView& dst, cudaStream_t stream) {
  const Grid<kWidth> grid(src.rows, src.cols);
  convert_kernel<From, To, kWidth><<<grid.blocks(), kThreads, 0, stream>>>(
      src.as<From>(), src.stride, dst.as<To>(), dst.stride, grid);
}

template <typename From, typename To>
void convert_as(const ConstMatrixView& src, const MatrixView& dst, cudaStream_t stream) {
  constexpr int kWidth = 16 / std::max(sizeof(From), sizeof(To));
  by_alignment<kWidth>(
      src, dst,
      [=](const auto& a, const auto& b) { launch_convert<From, To, kWidth>(a, b, stream); },
      [=](const auto& a, const auto& b) { launch_convert<From, To, 1>(a, b, stream); });
}

void check_float(DType dtype, const char* op, const char* name) {
  LONGHAUL_CHECK(dtype == DType::bf16 || dtype == DType::f32,
                 "{}: {} is {}, expected bfloat16 or float32", op, name, name_of(dtype));
}

}  // namespace

void add(ConstMatrixView x, MatrixView y, cudaStream_t stream) {
  check_float(y.dtype, "add", "y");
  check_view(x, y.dtype, y.rows, y.cols, "add", "x");
  check_view(y, y.dtype, y.rows, y.cols, "add", "y");
  if (y.dtype == DType::bf16) {
    add_as<__nv_bfloat16>(x, y, "add", stream);
  } else {
    add_as<float>(x, y, "add", stream);
  }
}

void convert(ConstMatrixView src, MatrixView dst, cudaStream_t stream) {
  check_float(src.dtype, "convert", "src");
  check_float(dst.dtype, "convert", "dst");
  check_view(src, src.dtype, dst.rows, dst.cols, "convert", "src");
  check_view(dst, dst.dtype, dst.rows, dst.cols, "convert", "dst");
  const bool same_type = src.dtype == dst.dtype;
  if (src.size() == 0 || (same_type && src.data == dst.data && src.stride == dst.stride)) return;
  flatten(src, dst);
  if (src.dtype == DType::bf16) {
    if (same_type) {
      convert_as<__nv_bfloat16, __nv_bfloat16>(src, dst, stream);
    } else {
      convert_as<__nv_bfloat16, float>(src, dst, stream);
    }
  } else {
    if (same_type) {
      convert_as<float, float>(src, dst, stream);
    } else {
      convert_as<float, __nv_bfloat16>(src, dst, stream);
    }
  }
  LONGHAUL_CUDA_CHECK_LAUNCH("convert");
}

void accumulate(const float* src, float* dst, std::int64_t count, cudaStream_t stream) {
  add_as<float>(ConstMatrixView(src, DType::f32, 1, count), MatrixView(dst, DType::f32, 1, count),
                "accumulate", stream);
}

}  // namespace longhaul::kernels
