#include "compute/backend_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;

class AdamWTest : public BackendTest {};

/// The header's formula on fp64 copies of the state.
struct ReferenceState {
  std::vector<double> master, exp_avg, exp_avg_sq;
  void update(const std::vector<double>& grad, const AdamWStep& s) {
    for (std::size_t i = 0; i < master.size(); ++i) {
      const double g = grad[i] * s.grad_scale;
      exp_avg[i] = s.beta1 * exp_avg[i] + (1.0 - s.beta1) * g;
      exp_avg_sq[i] = s.beta2 * exp_avg_sq[i] + (1.0 - s.beta2) * g * g;
      const double direction =
          exp_avg[i] / s.bias1 / (std::sqrt(exp_avg_sq[i] / s.bias2) + s.epsilon);
      master[i] -= s.learning_rate * (direction + s.weight_decay * master[i]);
    }
  }
};

TEST_P(AdamWTest, FollowsItsFormulaOverSeveralSteps) {
  for (const std::int64_t count : {1, 19, 40003}) {
    const Matrix start = rounded(reference::random_matrix(1, count, 1), DType::f32);
    const DeviceMatrix master = upload_f32(start);
    const DeviceMatrix exp_avg = upload_f32(Matrix(1, count));
    const DeviceMatrix exp_avg_sq = upload_f32(Matrix(1, count));
    const DeviceMatrix weight = poisoned(1, count);
    ReferenceState expected{start.values, std::vector<double>(start.values.size(), 0.0),
                            std::vector<double>(start.values.size(), 0.0)};
    for (int t = 1; t <= 4; ++t) {
      const Matrix grad =
          rounded(reference::random_matrix(1, count, 10 + static_cast<unsigned>(t)), DType::f32);
      const DeviceMatrix device_grad = upload_f32(grad);
      AdamWStep step;
      step.master = master.floats();
      step.exp_avg = exp_avg.floats();
      step.exp_avg_sq = exp_avg_sq.floats();
      step.grad = device_grad.floats();
      step.weight = weight.view().data;
      step.count = count;
      step.grad_scale = 0.37F;
      step.learning_rate = 0.01F * static_cast<float>(t);
      step.weight_decay = 0.1F;
      step.bias1 = 1.0 - std::pow(step.beta1, t);
      step.bias2 = 1.0 - std::pow(step.beta2, t);
      backend_.ops->adamw(step);
      expected.update(grad.values, step);
    }
    const auto as_matrix = [&](const std::vector<double>& values) {
      Matrix m(1, count);
      m.values = values;
      return m;
    };
    // A few fp32 roundings a step on every element.
    expect_close(master.download(), as_matrix(expected.master), 1e-6, "master");
    expect_close(exp_avg.download(), as_matrix(expected.exp_avg), 1e-6, "exp_avg");
    expect_close(exp_avg_sq.download(), as_matrix(expected.exp_avg_sq), 1e-6, "exp_avg_sq");
    expect_close(weight.download(), rounded(master.download(), dtype_), 0.0, "weight");
  }
  print_kernel_timings(backend_, "adamw");
}

TEST_P(AdamWTest, NoGradientAndNoDecayChangesNothing) {
  const Matrix start = rounded(reference::random_matrix(1, 100, 2), DType::f32);
  const DeviceMatrix master = upload_f32(start);
  const DeviceMatrix zeros = upload_f32(Matrix(1, 100));
  const DeviceMatrix exp_avg = upload_f32(Matrix(1, 100));
  const DeviceMatrix exp_avg_sq = upload_f32(Matrix(1, 100));
  const DeviceMatrix weight = poisoned(1, 100);
  AdamWStep step;
  step.master = master.floats();
  step.exp_avg = exp_avg.floats();
  step.exp_avg_sq = exp_avg_sq.floats();
  step.grad = zeros.floats();
  step.weight = weight.view().data;
  step.count = 100;
  step.learning_rate = 1.0F;
  step.bias1 = 0.1F;
  step.bias2 = 0.05F;
  backend_.ops->adamw(step);
  expect_close(master.download(), start, 0.0, "master");
}

LONGHAUL_BACKEND_TESTS(AdamWTest);

}  // namespace
}  // namespace longhaul
