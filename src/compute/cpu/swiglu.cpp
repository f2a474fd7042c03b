#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {

void CpuOps::swiglu_forward(ConstMatrixView gate_up, MatrixView act) {
  check_matrix(gate_up, act.rows, 2 * act.cols, "swiglu_forward", "gate_up");
  check_matrix(act, act.rows, act.cols, "swiglu_forward", "act");
  parallel_rows(threads_, act.rows, gate_up.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* const gate = row_of(gate_up, row);
      kernels_.swiglu_forward(gate, gate + act.cols, row_of(act, row), act.cols);
    }
  });
}

void CpuOps::swiglu_backward(MatrixView dact, ConstMatrixView gate_up, MatrixView dgate_up) {
  check_matrix(dact, dact.rows, dact.cols, "swiglu_backward", "dact");
  check_matrix(gate_up, dact.rows, 2 * dact.cols, "swiglu_backward", "gate_up");
  check_matrix(dgate_up, dact.rows, 2 * dact.cols, "swiglu_backward", "dgate_up");
  const std::int64_t width = dact.cols;
  parallel_rows(threads_, dact.rows, gate_up.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* const gate = row_of(gate_up, row);
      float* const dgate = row_of(dgate_up, row);
      kernels_.swiglu_backward(row_of(dact, row), gate, gate + width, dgate, dgate + width, width);
    }
  });
}

}  // namespace longhaul::cpu
