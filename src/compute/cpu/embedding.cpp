#include <cstring>

#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {

void CpuOps::embedding_forward(const std::int32_t* ids, ConstMatrixView table,
                               std::int64_t vocab_begin, MatrixView out) {
  check_matrix(table, table.rows, table.cols, "embedding_forward", "table");
  check_matrix(out, out.rows, table.cols, "embedding_forward", "out");
  const std::size_t row_bytes = static_cast<std::size_t>(out.cols) * sizeof(float);
  parallel_rows(threads_, out.rows, out.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t id = ids[row] - vocab_begin;
      if (id >= 0 && id < table.rows) {
        std::memcpy(row_of(out, row), row_of(table, id), row_bytes);
      } else {
        std::memset(row_of(out, row), 0, row_bytes);
      }
    }
  });
}

void CpuOps::embedding_backward(const std::int32_t* ids, ConstMatrixView dout,
                                std::int64_t vocab_begin, MatrixView dtable) {
  check_matrix(dout, dout.rows, dout.cols, "embedding_backward", "dout");
  check_matrix(dtable, dtable.rows, dout.cols, "embedding_backward", "dtable");
  // Threads share the columns: each adds the rows in their order, whatever the ids are.
  parallel_rows(threads_, dout.cols, dout.rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = 0; row < dout.rows; ++row) {
      const std::int64_t id = ids[row] - vocab_begin;
      if (id < 0 || id >= dtable.rows) continue;
      kernels_.add(row_of(dout, row) + begin, row_of(dtable, id) + begin, end - begin);
    }
  });
}

}  // namespace longhaul::cpu
