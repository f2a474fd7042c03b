#include "compute/backend_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;

class SwigluTest : public BackendTest {};

struct Shape {
  std::int64_t rows, width;
  Rows memory = Rows::unaligned;
};
constexpr Shape kShapes[] = {
    {1, 1}, {5, 17}, {64, 300}, {9, 1024}, {9, 1024, Rows::aligned}, {300, 136, Rows::aligned}};

TEST_P(SwigluTest, ForwardAndBackwardMatchTheirDefinitions) {
  for (const Shape& s : kShapes) {
    const Matrix gate_up = random(s.rows, 2 * s.width, 1, 3.0);
    const Matrix dact = random(s.rows, s.width, 2);
    const DeviceMatrix device_gate_up = upload(gate_up, row_gap(s.memory, 3));
    const DeviceMatrix act = poisoned(s.rows, s.width, row_gap(s.memory, 1));
    backend_.ops->swiglu_forward(device_gate_up.view(), act.view());
    expect_close(act.download(), reference::swiglu(gate_up), tolerance(), "act");

    DeviceMatrix device_dact = upload(dact, row_gap(s.memory, 2));
    const Matrix expected = reference::swiglu_backward(dact, gate_up);
    const DeviceMatrix d_gate_up = poisoned(s.rows, 2 * s.width, row_gap(s.memory, 5));
    backend_.ops->swiglu_backward(device_dact.view(), device_gate_up.view(), d_gate_up.view());
    expect_close(d_gate_up.download(), expected, tolerance(), "dgate_up");
    expect_close(device_dact.download(), reference::swiglu(gate_up), tolerance(), "act again");
    device_dact.upload(dact);
    backend_.ops->swiglu_backward(device_dact.view(), device_gate_up.view(), device_gate_up.view());
    expect_close(device_gate_up.download(), d_gate_up.download(), other_order_tolerance(),
                 "dgate_up in place");
  }
  print_kernel_timings(backend_, "swiglu");
}

TEST_P(SwigluTest, LargeGatesSaturateWithoutNaN) {
  Matrix gate_up(1, 8);
  const double gates[] = {-1000.0, -100.0, 100.0, 1000.0};
  for (std::int64_t i = 0; i < 4; ++i) {
    gate_up.at(0, i) = rounded(gates[i], dtype_);
    gate_up.at(0, 4 + i) = 1.0;
  }
  const DeviceMatrix device = upload(gate_up);
  const DeviceMatrix act = poisoned(1, 4);
  const DeviceMatrix d = poisoned(1, 8);
  backend_.ops->swiglu_forward(device.view(), act.view());
  expect_close(act.download(), reference::swiglu(gate_up), 1e-6, "act");
  backend_.ops->swiglu_backward(upload(Matrix(1, 4, 1.0)).view(), device.view(), d.view());
  expect_close(d.download(), reference::swiglu_backward(Matrix(1, 4, 1.0), gate_up), 1e-6, "d");
}

LONGHAUL_BACKEND_TESTS(SwigluTest);

}  // namespace
}  // namespace longhaul
