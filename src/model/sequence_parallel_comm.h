#pragma once

#include <array>
#include <cstdint>

#include "runtime/runtime.h"

namespace longhaul {

/// Tensor parallelism with sequence parallelism: between the column- and row-parallel matrices the
/// hidden state is split over the tokens of a TP group. The local rows are cut into two halves, the
/// pieces, and every rank holds its share of each, so that a matrix product can begin when the
/// first piece is there, and the first piece of its result can leave while the second is made:
///
///     row of rank t's part:  p * sp / 2 + i
///     local row:             p * cp_local / 2 + t * sp / 2 + i
///
/// (Streams are padded so that parts have an even number of rows.)
/// Exchange runs on the runtime's layer stream. With TP 1 a part is the whole, and nothing happens.
class SequenceParallelComm {
 public:
  explicit SequenceParallelComm(Runtime& runtime);

  /// part [sp, H] of each rank -> whole [cp_local, H]. Returns `part` itself when TP is 1, and
  /// `whole` otherwise.
  ConstMatrixView gather(ConstMatrixView part, void* whole, Label label);
  /// Sums whole [cp_local, H] over the TP group; each rank gets its rows in part [sp, H],
  /// overwritten. With TP 1 `whole` and `part` must be the same buffer.
  void reduce_scatter(ConstMatrixView whole, MatrixView part, Label label);

  // The same beside computing: what they write may be read, and what they read be overwritten, by
  // work that is issued after wait().
  ConstMatrixView start_gather(ConstMatrixView part, void* whole, Label label);
  void start_reduce_scatter(ConstMatrixView whole, MatrixView part, Label label);
  /// Work issued on the compute stream from now on waits for all that was started.
  void wait();

  /// gather() that calls work(ConstMatrixView rows, std::int64_t begin) for every piece of the
  /// whole, in order, while the next ones are on their way.
  template <typename Work>
  ConstMatrixView gather_by_pieces(ConstMatrixView part, void* whole, Label label,
                                   const Work& work) {
    if (alone()) {
      work(part, std::int64_t{0});
      return part;
    }
    const ConstMatrixView all = start_gather_of_pieces(part, whole, label);
    const std::int64_t rows = all.rows / kPieces;
    for (int p = 0; p < kPieces; ++p) {
      wait_for(arrived_[static_cast<std::size_t>(p)]);
      work(all.row_range(p * rows, rows), p * rows);
    }
    pending_ = false;
    return all;
  }
  /// reduce_scatter() that calls work(MatrixView rows, std::int64_t begin) to make each piece of
  /// the whole, in order, and sends it off while the next is made.
  template <typename Work>
  void reduce_by_pieces(MatrixView whole, MatrixView part, Label label, const Work& work) {
    if (alone()) {
      work(whole, std::int64_t{0});
      return reduce_scatter(whole, part, label);
    }
    const std::int64_t rows = whole.rows / kPieces;
    for (int p = 0; p < kPieces; ++p) {
      work(whole.row_range(p * rows, rows), p * rows);
      follow_compute();
      reduce_piece(whole, part, p, label);
    }
    finish();
    wait();
  }

  /// Where to put this rank's [cp_local, H] of a sum that will be reduced into `part`: `part`'s own
  /// buffer when TP is 1, else `scratch`.
  [[nodiscard]] MatrixView unreduced(MatrixView part, void* scratch, std::int64_t local_rows) const;

 private:
  static constexpr int kPieces = 2;

  [[nodiscard]] bool alone() const { return runtime_.grid.size(Group::tp) == 1; }
  /// Rows of a rank's share of a piece.
  [[nodiscard]] static std::int64_t piece_rows(std::int64_t sp_rows, Label label);
  /// The layer stream waits for what the compute stream has been given so far.
  void follow_compute();
  /// Records arrived_ after each piece.
  ConstMatrixView start_gather_of_pieces(ConstMatrixView part, void* whole, Label label);
  void gather_piece(ConstMatrixView part, MatrixView whole, int piece, Label label);
  void reduce_piece(ConstMatrixView whole, MatrixView part, int piece, Label label);
  /// All that was started is in the layer stream.
  void finish();
  void wait_for(Event event);

  Runtime& runtime_;
  Event computed_{};
  Event done_{};
  std::array<Event, kPieces> arrived_{};
  bool pending_ = false;
};

}  // namespace longhaul
