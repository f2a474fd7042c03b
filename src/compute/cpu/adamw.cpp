#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {

void CpuOps::adamw(const AdamWStep& step) {
  LONGHAUL_CHECK(step.count >= 0, "adamw: {} elements", step.count);
  const AdamWScalars scalars{
      .grad_scale = step.grad_scale,
      .beta1 = static_cast<float>(step.beta1),
      .one_minus_beta1 = static_cast<float>(1.0 - step.beta1),
      .beta2 = static_cast<float>(step.beta2),
      .one_minus_beta2 = static_cast<float>(1.0 - step.beta2),
      .learning_rate = step.learning_rate,
      .inv_bias1 = static_cast<float>(1.0 / step.bias1),
      .inv_bias2 = static_cast<float>(1.0 / step.bias2),
      .epsilon = step.epsilon,
      .weight_decay = step.weight_decay,
  };
  auto* const weight = static_cast<float*>(step.weight);
  parallel_rows(threads_, step.count, 4, [&](std::int64_t begin, std::int64_t end) {
    kernels_.adamw(scalars, step.grad + begin, step.master + begin, step.exp_avg + begin,
                   step.exp_avg_sq + begin, weight + begin, end - begin);
  });
}

}  // namespace longhaul::cpu
