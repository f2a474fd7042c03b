#include "model/sequence_parallel.h"

#include "core/error.h"

namespace longhaul {

ConstMatrixView gather_tokens(Runtime& runtime, ConstMatrixView part, void* whole, Label label) {
  Communicator& group = *runtime.comms.tp;
  if (group.size() == 1) return part;
  group.all_gather(part.data, whole, part.size(), part.dtype, label,
                   runtime.backend.compute_stream());
  return {whole, part.dtype, part.rows * group.size(), part.cols};
}

void reduce_scatter_tokens(Runtime& runtime, ConstMatrixView whole, MatrixView part, Label label) {
  Communicator& group = *runtime.comms.tp;
  if (group.size() == 1) {
    LONGHAUL_CHECK(whole.data == part.data, "{}: nothing to reduce, but two buffers", label);
    return;
  }
  group.reduce_scatter(whole.data, part.data, part.size(), part.dtype, label,
                       runtime.backend.compute_stream());
}

MatrixView partial_sum_buffer(Runtime& runtime, MatrixView part, void* scratch,
                              std::int64_t local_rows) {
  if (runtime.comms.tp->size() == 1) return part;
  return {scratch, part.dtype, local_rows, part.cols};
}

}  // namespace longhaul
