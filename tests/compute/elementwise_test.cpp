#include "compute/backend_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;

class ElementwiseTest : public BackendTest {};

constexpr std::int64_t kCounts[] = {1, 15, 16, 1000, 70001};

TEST_P(ElementwiseTest, AddAddsToTheSecond) {
  for (const Rows rows : {Rows::unaligned, Rows::aligned}) {
    const std::int64_t cols = rows == Rows::aligned ? 408 : 403;
    const Matrix x = random(90, cols, 1);
    const Matrix y = random(90, cols, 2);
    const DeviceMatrix device_y = upload(y, row_gap(rows, 2));
    backend_.ops->add(upload(x, row_gap(rows, 1)).view(), device_y.view());
    expect_close(device_y.download(), rounded(reference::sum(x, y), dtype_), 0.0, "sum");
  }
  print_kernel_timings(backend_, "add");
}

TEST_P(ElementwiseTest, ConvertGoesBothWays) {
  for (const Rows rows : {Rows::unaligned, Rows::aligned}) {
    const std::int64_t cols = rows == Rows::aligned ? 408 : 403;
    const Matrix x = rounded(reference::random_matrix(90, cols, 3), DType::f32);
    const DeviceMatrix narrow = poisoned(90, cols, row_gap(rows, 2));
    backend_.ops->convert(upload_f32(x, row_gap(rows, 1)).view(), narrow.view());
    expect_close(narrow.download(), rounded(x, dtype_), 0.0, "to the weights' type");
    const DeviceMatrix wide = poisoned_f32(90, cols, row_gap(rows, 0));
    backend_.ops->convert(narrow.view(), wide.view());
    expect_close(wide.download(), rounded(x, dtype_), 0.0, "to fp32");
  }
  print_kernel_timings(backend_, "convert");
}

TEST_P(ElementwiseTest, AccumulateAddsFloat32) {
  for (const std::int64_t count : kCounts) {
    const Matrix x = rounded(reference::random_matrix(1, count, 4), DType::f32);
    const Matrix y = rounded(reference::random_matrix(1, count, 5), DType::f32);
    const DeviceMatrix sum = upload_f32(y);
    backend_.ops->accumulate(upload_f32(x).floats(), sum.floats(), count);
    expect_close(sum.download(), rounded(reference::sum(x, y), DType::f32), 0.0, "sum");
  }
  print_kernel_timings(backend_, "accumulate");
}

TEST_P(ElementwiseTest, SumOfSquaresIsFp64AndAccumulates) {
  for (const std::int64_t count : kCounts) {
    Matrix x = rounded(reference::random_matrix(1, count, 6), DType::f32);
    x.at(0, 0) = 3e10;  // its square leaves fp32's 24 bits far behind the others
    x = rounded(x, DType::f32);
    double expected = 0.25;
    for (const double value : x.values) expected += value * value;
    const DeviceMatrix device_x = upload_f32(x);
    double result = 0.25;
    const DeviceBuffer sum(*backend_.device, sizeof result);
    const Stream stream = backend_.device->compute_stream();
    backend_.device->copy_to_device(sum.data(), &result, sizeof result, stream);
    backend_.ops->sum_of_squares(device_x.floats(), count, static_cast<double*>(sum.data()));
    backend_.device->copy_to_host(&result, sum.data(), sizeof result, stream);
    backend_.device->synchronize(stream);
    EXPECT_NEAR(result, expected, 1e-14 * expected);
  }
  print_kernel_timings(backend_, "sum_of_squares");
}

LONGHAUL_BACKEND_TESTS(ElementwiseTest);

}  // namespace
}  // namespace longhaul
