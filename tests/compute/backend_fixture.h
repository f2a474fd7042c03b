#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "compute/backend.h"
#include "compute/reference_ops.h"
#include "core/arena.h"
#include "core/error.h"
#include "core/tensor/float_formats.h"

namespace longhaul {

/// Does the same call give the same bits every time?
enum class Repeats : std::uint8_t { to_the_bit, within_rounding };

/// A way to make a backend. The op tests run on every one in backend_cases(): a new backend is one
/// more entry in backend_cases.cpp.
struct BackendCase {
  std::string name;
  Backend (*make)();
  Repeats repeats = Repeats::to_the_bit;
};
std::vector<BackendCase> backend_cases();

/// How the rows of a test's matrices lie in memory. GPUs read 16 bytes at once where they can:
/// that needs rows that begin at multiples of 16 bytes.
enum class Rows : std::uint8_t { unaligned, aligned };
/// Columns between two rows.
inline std::int64_t row_gap(Rows rows, std::int64_t unaligned) {
  return rows == Rows::aligned ? 8 : unaligned;
}

/// What a value becomes when it is stored with this type.
inline double rounded(double value, DType dtype) {
  const auto narrow = static_cast<float>(value);
  return dtype == DType::bf16 ? bf16_to_f32(f32_to_bf16(narrow)) : narrow;
}
inline reference::Matrix rounded(reference::Matrix m, DType dtype) {
  for (double& value : m.values) value = rounded(value, dtype);
  return m;
}

/// A matrix in device memory whose unwritten elements are NaN: those between the rows (the stride
/// is wider than the columns) have to stay NaN, and a result with a NaN was not computed.
class DeviceMatrix {
 public:
  /// All NaN.
  DeviceMatrix(const Backend& backend, DType dtype, std::int64_t rows, std::int64_t cols,
               std::int64_t gap = 0)
      : DeviceMatrix(backend, dtype,
                     reference::Matrix(rows, cols, std::numeric_limits<double>::quiet_NaN()), gap) {
  }
  DeviceMatrix(const Backend& backend, DType dtype, const reference::Matrix& values,
               std::int64_t gap = 0)
      : backend_(backend),
        buffer_(*backend.device,
                static_cast<std::size_t>(values.rows * (values.cols + gap)) * size_of(dtype)),
        view_(buffer_.data(), dtype, values.rows, values.cols, values.cols + gap) {
    upload(values);
  }

  [[nodiscard]] MatrixView view() const { return view_; }
  [[nodiscard]] float* floats() const { return view_.as<float>(); }

  void upload(const reference::Matrix& values) {
    std::vector<std::byte> host(buffer_.bytes());
    const std::size_t size = size_of(view_.dtype);
    for (std::int64_t r = 0; r < view_.rows; ++r) {
      for (std::int64_t c = 0; c < view_.stride; ++c) {
        const float value = c < view_.cols ? static_cast<float>(values.at(r, c)) : NAN;
        const std::uint16_t half = f32_to_bf16(value);
        std::memcpy(host.data() + static_cast<std::size_t>(r * view_.stride + c) * size,
                    size == 2 ? static_cast<const void*>(&half) : &value, size);
      }
    }
    backend_.device->copy_to_device(buffer_.data(), host.data(), host.size(),
                                    backend_.device->compute_stream());
    backend_.device->synchronize(backend_.device->compute_stream());
  }

  /// The bits as they are, gaps included.
  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::vector<std::byte> host(buffer_.bytes());
    backend_.device->copy_to_host(host.data(), buffer_.data(), host.size(),
                                  backend_.device->compute_stream());
    backend_.device->synchronize(backend_.device->compute_stream());
    return host;
  }

  [[nodiscard]] reference::Matrix download() const {
    const std::vector<std::byte> host = bytes();
    const std::size_t size = size_of(view_.dtype);
    reference::Matrix values(view_.rows, view_.cols);
    for (std::int64_t r = 0; r < view_.rows; ++r) {
      for (std::int64_t c = 0; c < view_.stride; ++c) {
        const std::byte* const from =
            host.data() + static_cast<std::size_t>(r * view_.stride + c) * size;
        float value = 0.0F;
        std::uint16_t half = 0;
        if (size == 2) {
          std::memcpy(&half, from, size);
          value = bf16_to_f32(half);
        } else {
          std::memcpy(&value, from, size);
        }
        if (c < view_.cols) {
          values.at(r, c) = value;
        } else {
          EXPECT_TRUE(std::isnan(value))
              << "written between rows, at row " << r << ", column " << c;
        }
      }
    }
    return values;
  }

 private:
  const Backend& backend_;
  DeviceBuffer buffer_;
  MatrixView view_;
};

/// An int32 array in device memory.
class DeviceInts {
 public:
  DeviceInts(const Backend& backend, const std::vector<std::int32_t>& values)
      : buffer_(*backend.device, values.size() * sizeof(std::int32_t)) {
    backend.device->copy_to_device(buffer_.data(), values.data(), buffer_.bytes(),
                                   backend.device->compute_stream());
    backend.device->synchronize(backend.device->compute_stream());
  }
  [[nodiscard]] const std::int32_t* data() const {
    return static_cast<const std::int32_t*>(buffer_.data());
  }

 private:
  DeviceBuffer buffer_;
};

/// |actual - expected| <= tolerance * max(|expected|, root mean square of expected, floor),
/// everywhere. NaN is equal to NaN only. `floor`: the size of the terms that a result near zero is
/// the sum of.
inline void expect_close(const reference::Matrix& actual, const reference::Matrix& expected,
                         double tolerance, const std::string& what, double floor = 0.0) {
  ASSERT_EQ(actual.rows, expected.rows) << what;
  ASSERT_EQ(actual.cols, expected.cols) << what;
  double squares = 0.0;
  for (const double e : expected.values) squares += std::isnan(e) ? 0.0 : e * e;
  const double rms = std::sqrt(squares / std::max<double>(1.0, expected.values.size()));
  for (std::int64_t r = 0; r < expected.rows; ++r) {
    for (std::int64_t c = 0; c < expected.cols; ++c) {
      const double a = actual.at(r, c);
      const double e = expected.at(r, c);
      const bool same_nan = std::isnan(a) && std::isnan(e);
      ASSERT_TRUE(same_nan || std::abs(a - e) <= tolerance * std::max({std::abs(e), rms, floor}))
          << what << " at row " << r << ", column " << c << ": " << a << ", expected " << e;
    }
  }
}

class BackendTest : public ::testing::TestWithParam<BackendCase> {
 protected:
  BackendTest() : backend_(GetParam().make()), dtype_(backend_.device->compute_dtype()) {}

  /// One rounding of the result, plus fp32 sums of a few hundred terms. Rounding to bf16 is off by
  /// 2^-9 of the value at most; twice that leaves room for a sum on the other side of a tie.
  [[nodiscard]] double tolerance() const { return dtype_ == DType::bf16 ? 4e-3 : 3e-6; }
  /// Of results that stay in fp32, as sums of a few hundred terms. Tensor cores cut off low bits of
  /// the terms where an fp32 addition would round.
  [[nodiscard]] double sum_tolerance() const { return dtype_ == DType::bf16 ? 1e-5 : 3e-6; }
  /// Between two calls whose rows lie differently in memory: a GPU may add up in another order.
  [[nodiscard]] double other_order_tolerance() const {
    return dtype_ == DType::bf16 ? tolerance() : 0.0;
  }

  [[nodiscard]] reference::Matrix random(std::int64_t rows, std::int64_t cols, unsigned seed,
                                         double deviation = 1.0) const {
    return rounded(reference::random_matrix(rows, cols, seed, deviation), dtype_);
  }
  [[nodiscard]] DeviceMatrix upload(const reference::Matrix& m, std::int64_t gap = 0) const {
    return {backend_, dtype_, m, gap};
  }
  [[nodiscard]] DeviceMatrix upload_f32(const reference::Matrix& m, std::int64_t gap = 0) const {
    return {backend_, DType::f32, m, gap};
  }
  [[nodiscard]] DeviceMatrix poisoned(std::int64_t rows, std::int64_t cols,
                                      std::int64_t gap = 0) const {
    return {backend_, dtype_, rows, cols, gap};
  }
  [[nodiscard]] DeviceMatrix poisoned_f32(std::int64_t rows, std::int64_t cols,
                                          std::int64_t gap = 0) const {
    return {backend_, DType::f32, rows, cols, gap};
  }
  [[nodiscard]] DeviceInts upload(const std::vector<std::int32_t>& values) const {
    return {backend_, values};
  }

  Backend backend_;
  DType dtype_;
};

/// Runs the suite on every backend there is.
#define LONGHAUL_BACKEND_TESTS(suite)                                             \
  INSTANTIATE_TEST_SUITE_P(Backends, suite, ::testing::ValuesIn(backend_cases()), \
                           [](const auto& info) { return info.param.name; })

}  // namespace longhaul
