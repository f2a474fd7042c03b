#include "compute/attention_fixture.h"

namespace longhaul {
namespace {

using reference::Matrix;

/// The same call twice gives the same bits: resuming a run relies on it.
class DeterminismTest : public AttentionFixture {
 protected:
  [[nodiscard]] static bool to_the_bit() { return GetParam().repeats == Repeats::to_the_bit; }
};

TEST_P(DeterminismTest, AttentionIsBitIdenticalFromCallToCall) {
  // Fewer key/value heads than threads, many tiles: the most there is to get out of order.
  const AttentionProblem p{4, 1, 64, 700, 700, {{0, 500, 0, 500}, {500, 200, 400, 300}}};
  const Inputs in = make_inputs(p, 31);
  const Outputs first = run(p, in);
  for (int repeat = 0; repeat < 5; ++repeat) {
    const Outputs again = run(p, in);
    EXPECT_EQ(again.o.values, first.o.values);
    EXPECT_EQ(again.lse.values, first.lse.values);
    if (to_the_bit()) {
      EXPECT_EQ(again.dq.values, first.dq.values);
      EXPECT_EQ(again.dk.values, first.dk.values);
      EXPECT_EQ(again.dv.values, first.dv.values);
    } else {
      expect_close(again.dq, first.dq, backward_tolerance(), "dq", kUnit);
      expect_close(again.dk, first.dk, backward_tolerance(), "dk", kUnit);
      expect_close(again.dv, first.dv, backward_tolerance(), "dv", kUnit);
    }
  }
}

TEST_P(DeterminismTest, ReductionsAreBitIdenticalFromCallToCall) {
  const Matrix dy = random(333, 256, 32);
  const Matrix x = random(333, 256, 33);
  const Matrix weight = random(1, 256, 34);
  Matrix inv_rms;
  reference::rms_norm(x, 1, weight, 1e-6, inv_rms);
  const DeviceMatrix device_dy = upload(dy);
  const DeviceMatrix device_x = upload(x);
  const DeviceMatrix device_weight = upload(weight);
  const DeviceMatrix device_inv_rms = upload_f32(inv_rms);
  const auto run_once = [&] {
    const DeviceMatrix dx = poisoned(333, 256);
    const DeviceMatrix results = upload_f32(Matrix(258, 256));
    float* const out = results.floats();
    backend_.ops->rms_norm_backward(device_dy.view(), device_x.view(), 1, device_weight.view().data,
                                    device_inv_rms.floats(), dx.view(), AccumulateMode::overwrite,
                                    out);
    backend_.ops->bias_backward(device_dy.view(), out + 256);
    backend_.ops->linear_backward_weight(device_dy.view(), device_x.view(),
                                         results.view().row_range(2, 256),
                                         AccumulateMode::accumulate);
    return std::pair(results.bytes(), dx.bytes());
  };
  // Where algorithms of products are found by timing, the first product is the one that times.
  if (!to_the_bit()) run_once();
  const auto first = run_once();
  for (int repeat = 0; repeat < 5; ++repeat) EXPECT_EQ(run_once(), first);
}

TEST(CpuThreads, OneAndTwoThreadsAgreeWithinRounding) {
  Backend one = make_cpu_backend(1);
  Backend two = make_cpu_backend(2);
  const Matrix x = rounded(reference::random_matrix(200, 300, 35), DType::f32);
  const Matrix w = rounded(reference::random_matrix(250, 300, 36), DType::f32);
  const auto product = [&](const Backend& backend) {
    const DeviceMatrix device_x(backend, DType::f32, x);
    const DeviceMatrix device_w(backend, DType::f32, w);
    const DeviceMatrix y(backend, DType::f32, 200, 250);
    backend.ops->linear_forward(device_x.view(), device_w.view(), nullptr, {}, y.view());
    return y.download();
  };
  expect_close(product(one), product(two), 3e-6, "products");
  const auto norm = [&](const Backend& backend) {
    const DeviceMatrix device_x(backend, DType::f32, x);
    const DeviceBuffer sum(*backend.device, sizeof(double));
    double result = 0.0;
    backend.device->fill_zero(sum.data(), sizeof result, backend.device->compute_stream());
    backend.ops->sum_of_squares(device_x.floats(), 200 * 300, static_cast<double*>(sum.data()));
    backend.device->copy_to_host(&result, sum.data(), sizeof result,
                                 backend.device->compute_stream());
    return result;
  };
  EXPECT_EQ(norm(one), norm(two));
}

LONGHAUL_BACKEND_TESTS(DeterminismTest);

}  // namespace
}  // namespace longhaul
