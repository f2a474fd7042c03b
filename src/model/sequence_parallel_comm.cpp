#include "model/sequence_parallel_comm.h"

#include "core/error.h"

namespace longhaul {

SequenceParallelComm::SequenceParallelComm(Runtime& runtime) : runtime_(runtime) {
  if (alone()) return;
  computed_ = runtime.device.create_event();
  done_ = runtime.device.create_event();
  for (Event& event : arrived_) event = runtime.device.create_event();
}

std::int64_t SequenceParallelComm::piece_rows(std::int64_t sp_rows, Label label) {
  LONGHAUL_CHECK(sp_rows % kPieces == 0, "{}: {} rows of a rank in {} pieces", label, sp_rows,
                 kPieces);
  return sp_rows / kPieces;
}

void SequenceParallelComm::follow_compute() {
  Device& device = runtime_.device;
  device.record(computed_, device.compute_stream());
  device.wait(runtime_.layer_stream, computed_);
}

ConstMatrixView SequenceParallelComm::start_gather(ConstMatrixView part, void* whole, Label label) {
  if (alone()) return part;
  Communicator& group = runtime_.comms[Group::tp];
  const MatrixView all(whole, part.dtype, part.rows * group.size(), part.cols);
  follow_compute();
  group.group_start();  // nobody waits for a single piece: one launch
  for (int p = 0; p < kPieces; ++p) gather_piece(part, all, p, label);
  group.group_end();
  finish();
  return all;
}

ConstMatrixView SequenceParallelComm::start_gather_of_pieces(ConstMatrixView part, void* whole,
                                                             Label label) {
  const MatrixView all(whole, part.dtype, part.rows * runtime_.grid.size(Group::tp), part.cols);
  follow_compute();
  for (int p = 0; p < kPieces; ++p) {
    gather_piece(part, all, p, label);
    runtime_.device.record(arrived_[static_cast<std::size_t>(p)], runtime_.layer_stream);
  }
  return all;
}

void SequenceParallelComm::gather_piece(ConstMatrixView part, MatrixView whole, int piece,
                                        Label label) {
  const std::int64_t own = piece_rows(part.rows, label);
  const std::int64_t rows = own * runtime_.grid.size(Group::tp);
  const ConstMatrixView from = part.row_range(piece * own, own);
  runtime_.comms[Group::tp].all_gather(from.data, whole.row_range(piece * rows, rows).data,
                                       from.size(), part.dtype, label, runtime_.layer_stream);
}

void SequenceParallelComm::start_reduce_scatter(ConstMatrixView whole, MatrixView part,
                                                Label label) {
  if (alone()) {
    LONGHAUL_CHECK(whole.data == part.data, "{}: nothing to reduce, but two buffers", label);
    return;
  }
  Communicator& group = runtime_.comms[Group::tp];
  follow_compute();
  group.group_start();
  for (int p = 0; p < kPieces; ++p) reduce_piece(whole, part, p, label);
  group.group_end();
  finish();
}

void SequenceParallelComm::reduce_piece(ConstMatrixView whole, MatrixView part, int piece,
                                        Label label) {
  const std::int64_t own = piece_rows(part.rows, label);
  const std::int64_t rows = own * runtime_.grid.size(Group::tp);
  const MatrixView to = part.row_range(piece * own, own);
  runtime_.comms[Group::tp].reduce_scatter(whole.row_range(piece * rows, rows).data, to.data,
                                           to.size(), part.dtype, label, runtime_.layer_stream);
}

void SequenceParallelComm::finish() {
  runtime_.device.record(done_, runtime_.layer_stream);
  pending_ = true;
}

void SequenceParallelComm::wait_for(Event event) {
  Device& device = runtime_.device;
  runtime_.exposed_comm->timed([&] { device.wait(device.compute_stream(), event); });
}

void SequenceParallelComm::wait() {
  if (!pending_) return;
  pending_ = false;
  wait_for(done_);
}

ConstMatrixView SequenceParallelComm::gather(ConstMatrixView part, void* whole, Label label) {
  const ConstMatrixView all = start_gather(part, whole, label);
  wait();
  return all;
}

void SequenceParallelComm::reduce_scatter(ConstMatrixView whole, MatrixView part, Label label) {
  start_reduce_scatter(whole, part, label);
  wait();
}

MatrixView SequenceParallelComm::unreduced(MatrixView part, void* scratch,
                                           std::int64_t local_rows) const {
  if (alone()) return part;
  return {scratch, part.dtype, local_rows, part.cols};
}

}  // namespace longhaul
