#include "compute/backend_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;

constexpr float kEpsilon = 1e-6F;

struct Shape {
  std::int64_t rows;
  int groups;
  std::int64_t width;
  Rows memory = Rows::unaligned;
};
constexpr Shape kShapes[] = {{1, 1, 1},
                             {3, 1, 5},
                             {41, 1, 768},
                             {100, 3, 64},
                             {33, 2, 80},
                             {41, 1, 768, Rows::aligned},
                             {7, 1, 5120, Rows::aligned},
                             {300, 3, 128, Rows::aligned}};

class RmsNormTest : public BackendTest {
 protected:
  /// A fp32 sum, and the hardware's reciprocal square root.
  [[nodiscard]] double inv_rms_tolerance() const { return dtype_ == DType::bf16 ? 1e-6 : 5e-7; }
};

TEST_P(RmsNormTest, ForwardMatchesItsDefinition) {
  for (const Shape& s : kShapes) {
    const Matrix x = random(s.rows, s.groups * s.width, 1, 3.0);
    const Matrix weight = random(1, s.width, 2);
    Matrix expected_inv_rms;
    const Matrix expected = reference::rms_norm(x, s.groups, weight, kEpsilon, expected_inv_rms);
    const DeviceMatrix device_weight = upload(weight);
    const DeviceMatrix y = poisoned(s.rows, x.cols, row_gap(s.memory, 2));
    const DeviceMatrix inv_rms = poisoned_f32(s.rows, s.groups);
    backend_.ops->rms_norm_forward(upload(x, row_gap(s.memory, 9)).view(), s.groups,
                                   device_weight.view().data, kEpsilon, y.view(), inv_rms.floats());
    expect_close(y.download(), expected, tolerance(), "y");
    expect_close(inv_rms.download(), expected_inv_rms, inv_rms_tolerance(), "inv_rms");

    const DeviceMatrix in_place = upload(x);
    backend_.ops->rms_norm_forward(in_place.view(), s.groups, device_weight.view().data, kEpsilon,
                                   in_place.view(), inv_rms.floats());
    expect_close(in_place.download(), y.download(), other_order_tolerance(), "y in place");
  }
  print_kernel_timings(backend_, "rms_norm_forward");
}

TEST_P(RmsNormTest, RowsOfZerosStayFinite) {
  const DeviceMatrix x = upload(Matrix(2, 48));
  const DeviceMatrix weight = upload(Matrix(1, 48, 1.0));
  const DeviceMatrix inv_rms = poisoned_f32(2, 1);
  backend_.ops->rms_norm_forward(x.view(), 1, weight.view().data, kEpsilon, x.view(),
                                 inv_rms.floats());
  expect_close(x.download(), Matrix(2, 48), 0.0, "y of zeros");
  expect_close(inv_rms.download(), Matrix(2, 1, 1000.0), 1e-6, "1 / sqrt(epsilon)");
}

TEST_P(RmsNormTest, BackwardMatchesTheAnalyticGradient) {
  for (const Shape& s : kShapes) {
    if (s.width == 1) continue;  // x / |x| is flat: the gradient is all cancellation
    const Matrix x = random(s.rows, s.groups * s.width, 3, 2.0);
    const Matrix dy = random(s.rows, s.groups * s.width, 4);
    const Matrix weight = random(1, s.width, 5);
    const Matrix dx_before = random(s.rows, s.groups * s.width, 6);
    const Matrix dweight_before = rounded(reference::random_matrix(1, s.width, 7), DType::f32);
    Matrix inv_rms;
    reference::rms_norm(x, s.groups, weight, kEpsilon, inv_rms);
    const auto expected = reference::rms_norm_backward(dy, x, s.groups, weight, kEpsilon);
    const DeviceMatrix device_x = upload(x, row_gap(s.memory, 1));
    const DeviceMatrix device_weight = upload(weight);
    const DeviceMatrix device_inv_rms = upload_f32(inv_rms);
    const auto run = [&](const DeviceMatrix& d_y, const DeviceMatrix& dx, AccumulateMode write) {
      const DeviceMatrix dweight = upload_f32(dweight_before);
      backend_.ops->rms_norm_backward(d_y.view(), device_x.view(), s.groups,
                                      device_weight.view().data, device_inv_rms.floats(), dx.view(),
                                      write, dweight.floats());
      expect_close(dweight.download(), reference::sum(dweight_before, expected.dweight),
                   sum_tolerance(), "dweight");
    };
    const DeviceMatrix device_dy = upload(dy, row_gap(s.memory, 5));
    const DeviceMatrix overwritten = poisoned(s.rows, x.cols, row_gap(s.memory, 3));
    run(device_dy, overwritten, AccumulateMode::overwrite);
    expect_close(overwritten.download(), expected.dx, tolerance(), "dx overwritten");
    const DeviceMatrix accumulated = upload(dx_before, row_gap(s.memory, 3));
    run(device_dy, accumulated, AccumulateMode::accumulate);
    expect_close(accumulated.download(), reference::sum(dx_before, expected.dx), tolerance(),
                 "dx accumulated");
    run(device_dy, device_dy, AccumulateMode::overwrite);
    expect_close(device_dy.download(), overwritten.download(), other_order_tolerance(),
                 "dx in the place of dy");
  }
  print_kernel_timings(backend_, "rms_norm_backward");
}

TEST(RmsNormReference, GradientsAgreeWithFiniteDifferences) {
  const Matrix x = reference::random_matrix(3, 2 * 10, 11);
  const Matrix dy = reference::random_matrix(3, 2 * 10, 12);
  const Matrix weight = reference::random_matrix(1, 10, 13);
  const auto gradients = reference::rms_norm_backward(dy, x, 2, weight, kEpsilon);
  const auto loss = [&](const Matrix& inputs, const Matrix& w) {
    Matrix inv_rms;
    const Matrix y = reference::rms_norm(inputs, 2, w, kEpsilon, inv_rms);
    double sum = 0.0;
    for (std::size_t i = 0; i < y.values.size(); ++i) sum += y.values[i] * dy.values[i];
    return sum;
  };
  constexpr double kStep = 1e-5;
  const auto slope = [&](Matrix at, std::size_t i, const auto& f) {
    at.values[i] += kStep;
    const double above = f(at);
    at.values[i] -= 2 * kStep;
    return (above - f(at)) / (2 * kStep);
  };
  for (std::size_t i = 0; i < x.values.size(); i += 7) {
    EXPECT_NEAR(slope(x, i, [&](const Matrix& m) { return loss(m, weight); }),
                gradients.dx.values[i], 1e-7);
  }
  for (std::size_t i = 0; i < weight.values.size(); i += 3) {
    EXPECT_NEAR(slope(weight, i, [&](const Matrix& m) { return loss(x, m); }),
                gradients.dweight.values[i], 1e-7);
  }
}

LONGHAUL_BACKEND_TESTS(RmsNormTest);

}  // namespace
}  // namespace longhaul
