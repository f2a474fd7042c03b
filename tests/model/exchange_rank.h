// One rank of MPI_COMM_WORLD with what the exchange classes of src/model need, on the CPU.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "comm/mpi_communicator.h"
#include "comm/mpi_runtime.h"
#include "runtime/runtime.h"

namespace longhaul::testing {

class ExchangeRank {
 public:
  /// Collective; the layout's world is MPI_COMM_WORLD.
  explicit ExchangeRank(const ParallelLayout& layout)
      : grid_(layout, coordinator_->rank()),
        comms_(make_mpi_communicators(MPI_COMM_WORLD, grid_)),
        log_(coordinator_->rank(), coordinator_->host()),
        runtime_(grid_, backend_, comms_, *coordinator_, log_) {}

  [[nodiscard]] const ProcessGrid& grid() const { return grid_; }
  [[nodiscard]] Runtime& runtime() { return runtime_; }

 private:
  std::unique_ptr<Coordinator> coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
  Backend backend_ = make_cpu_backend(1);
  ProcessGrid grid_;
  Communicators comms_;
  Log log_;
  Runtime runtime_;
};

inline int world_size() {
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

/// [rows, cols] fp32 with its memory.
class HostMatrix {
 public:
  using Value = std::function<float(std::int64_t row, std::int64_t col)>;

  HostMatrix(std::int64_t rows, std::int64_t cols, const Value& value) : rows_(rows), cols_(cols) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = 0; col < cols; ++col) values_.push_back(value(row, col));
    }
  }
  /// Full of a number that no test expects.
  HostMatrix(std::int64_t rows, std::int64_t cols)
      : HostMatrix(rows, cols, [](std::int64_t, std::int64_t) { return -1.0F; }) {}

  [[nodiscard]] float* data() { return values_.data(); }
  [[nodiscard]] MatrixView view() { return {values_.data(), DType::f32, rows_, cols_}; }
  friend bool operator==(const HostMatrix&, const HostMatrix&) = default;

 private:
  std::int64_t rows_;
  std::int64_t cols_;
  std::vector<float> values_;
};

/// A number of a row and column that fp32 holds exactly, and sums of a few of them too; different
/// for each `rank`.
inline float value_of(int rank, std::int64_t row, std::int64_t col) {
  return static_cast<float>((rank + 1) * 10'000 + row * 100 + col);
}

/// The sum of value_of() over ranks 0 .. ranks - 1.
inline float sum_of(int ranks, std::int64_t row, std::int64_t col) {
  float sum = 0.0F;
  for (int rank = 0; rank < ranks; ++rank) sum += value_of(rank, row, col);
  return sum;
}

}  // namespace longhaul::testing
