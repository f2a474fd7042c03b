#include "compute/backend_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;
using reference::multiply_nt;
using reference::transposed;

struct Shape {
  std::int64_t tokens, inputs, outputs;
  Rows rows = Rows::unaligned;
};
// One row, one column, odd sizes, one that several threads share; and what models have.
constexpr Shape kShapes[] = {{1, 1, 1},
                             {1, 64, 33},
                             {7, 5, 3},
                             {37, 96, 129},
                             {130, 257, 191},
                             {130, 256, 192, Rows::aligned},
                             {64, 128, 384, Rows::aligned}};

class LinearTest : public BackendTest {
 protected:
  /// Where the library does not add bias and addend itself, they are added in steps, each rounded.
  [[nodiscard]] double stepwise_tolerance() const {
    return dtype_ == DType::bf16 ? 3 * tolerance() : tolerance();
  }
};

TEST_P(LinearTest, ForwardWithAndWithoutBiasAndAddend) {
  for (const Shape& s : kShapes) {
    const Matrix x = random(s.tokens, s.inputs, 1);
    const Matrix w = random(s.outputs, s.inputs, 2, 0.1);
    const Matrix bias = random(1, s.outputs, 3);
    const DeviceMatrix device_x = upload(x, row_gap(s.rows, 3));
    const DeviceMatrix device_w = upload(w);
    const DeviceMatrix device_bias = upload(bias);
    Matrix expected = multiply_nt(x, w);

    const DeviceMatrix y = poisoned(s.tokens, s.outputs, row_gap(s.rows, 5));
    backend_.ops->linear_forward(device_x.view(), device_w.view(), nullptr, {}, y.view());
    expect_close(y.download(), expected, tolerance(), "y");

    const Matrix addend = random(s.tokens, s.outputs, 12);
    const DeviceMatrix device_addend = upload(addend, row_gap(s.rows, 3));
    const DeviceMatrix added = poisoned(s.tokens, s.outputs, row_gap(s.rows, 5));
    backend_.ops->linear_forward(device_x.view(), device_w.view(), nullptr, device_addend.view(),
                                 added.view());
    expect_close(added.download(), reference::sum(expected, addend), stepwise_tolerance(),
                 "y with addend");
    expect_close(device_addend.download(), addend, 0.0, "addend afterwards");

    for (std::int64_t r = 0; r < s.tokens; ++r) {
      for (std::int64_t c = 0; c < s.outputs; ++c) expected.at(r, c) += bias.at(0, c);
    }
    const DeviceMatrix biased = poisoned(s.tokens, s.outputs, row_gap(s.rows, 5));
    backend_.ops->linear_forward(device_x.view(), device_w.view(), device_bias.view().data, {},
                                 biased.view());
    expect_close(biased.download(), expected, stepwise_tolerance(), "y with bias");

    const DeviceMatrix both = poisoned(s.tokens, s.outputs, row_gap(s.rows, 5));
    backend_.ops->linear_forward(device_x.view(), device_w.view(), device_bias.view().data,
                                 device_addend.view(), both.view());
    expect_close(both.download(), reference::sum(expected, addend), stepwise_tolerance(),
                 "y with both");
  }
}

TEST_P(LinearTest, BackwardInputOverwritesOrAccumulates) {
  for (const Shape& s : kShapes) {
    const Matrix dy = random(s.tokens, s.outputs, 4);
    const Matrix w = random(s.outputs, s.inputs, 5, 0.1);
    const Matrix before = random(s.tokens, s.inputs, 6);
    const Matrix expected = multiply_nt(dy, transposed(w));
    const DeviceMatrix device_dy = upload(dy, row_gap(s.rows, 2));
    const DeviceMatrix device_w = upload(w);

    const DeviceMatrix dx = poisoned(s.tokens, s.inputs, row_gap(s.rows, 1));
    backend_.ops->linear_backward_input(device_dy.view(), device_w.view(), dx.view(),
                                        AccumulateMode::overwrite);
    expect_close(dx.download(), expected, tolerance(), "dx overwritten");

    const DeviceMatrix sum = upload(before, row_gap(s.rows, 1));
    backend_.ops->linear_backward_input(device_dy.view(), device_w.view(), sum.view(),
                                        AccumulateMode::accumulate);
    // Some products of the library are rounded before what is there is added.
    expect_close(sum.download(), reference::sum(before, expected),
                 (dtype_ == DType::bf16 ? 2 : 1) * tolerance(), "dx accumulated");
  }
}

TEST_P(LinearTest, BackwardWeightAndBiasAccumulateInFloat32) {
  for (const Shape& s : kShapes) {
    const Matrix dy = random(s.tokens, s.outputs, 7);
    const Matrix x = random(s.tokens, s.inputs, 8);
    const Matrix dw_before = rounded(reference::random_matrix(s.outputs, s.inputs, 9), DType::f32);
    const Matrix dbias_before = rounded(reference::random_matrix(1, s.outputs, 10), DType::f32);
    const DeviceMatrix device_dy = upload(dy, row_gap(s.rows, 4));
    const DeviceMatrix device_x = upload(x, row_gap(s.rows, 1));

    const DeviceMatrix dw = upload_f32(dw_before, row_gap(s.rows, 7));
    backend_.ops->linear_backward_weight(device_dy.view(), device_x.view(), dw.view(),
                                         AccumulateMode::accumulate);
    // The sums are fp32 whatever the weights' type is.
    const Matrix product = multiply_nt(transposed(dy), transposed(x));
    expect_close(dw.download(), reference::sum(dw_before, product), sum_tolerance(), "dw");
    const DeviceMatrix first = poisoned_f32(s.outputs, s.inputs, row_gap(s.rows, 7));
    backend_.ops->linear_backward_weight(device_dy.view(), device_x.view(), first.view(),
                                         AccumulateMode::overwrite);
    expect_close(first.download(), product, sum_tolerance(), "dw overwritten");

    const DeviceMatrix dbias = upload_f32(dbias_before);
    backend_.ops->bias_backward(device_dy.view(), dbias.floats());
    expect_close(
        dbias.download(),
        reference::sum(dbias_before, multiply_nt(Matrix(1, s.tokens, 1.0), transposed(dy))), 1e-6,
        "dbias");
  }
  print_product_timings(backend_);
  print_kernel_timings(backend_, "bias_backward");
}

TEST_P(LinearTest, NoRowsLeaveGradientsAlone) {
  const Matrix before = rounded(reference::random_matrix(6, 4, 11), DType::f32);
  const DeviceMatrix dw = upload_f32(before);
  const DeviceMatrix dbias = upload_f32(Matrix(1, 6, 0.5));
  const DeviceMatrix nothing_dy = poisoned(0, 6);
  const DeviceMatrix nothing_x = poisoned(0, 4);
  backend_.ops->linear_backward_weight(nothing_dy.view(), nothing_x.view(), dw.view(),
                                       AccumulateMode::accumulate);
  backend_.ops->bias_backward(nothing_dy.view(), dbias.floats());
  expect_close(dw.download(), before, 0.0, "dw");
  const DeviceMatrix first = poisoned_f32(6, 4, 1);
  backend_.ops->linear_backward_weight(nothing_dy.view(), nothing_x.view(), first.view(),
                                       AccumulateMode::overwrite);
  expect_close(first.download(), Matrix(6, 4, 0.0), 0.0, "dw overwritten");
  expect_close(dbias.download(), Matrix(1, 6, 0.5), 0.0, "dbias");
}

TEST_P(LinearTest, ShapesThatDoNotFitAreRefused) {
  const DeviceMatrix x = upload(random(4, 8, 1));
  const DeviceMatrix w = upload(random(5, 7, 2));
  const DeviceMatrix y = poisoned(4, 5);
  try {
    backend_.ops->linear_forward(x.view(), w.view(), nullptr, {}, y.view());
    FAIL() << "8 columns against 7 were accepted";
  } catch (const InternalError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("linear_forward: w is [5, 7], expected [5, 8]"), std::string::npos) << text;
  }
}

LONGHAUL_BACKEND_TESTS(LinearTest);

}  // namespace
}  // namespace longhaul
