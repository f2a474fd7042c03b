#pragma once

#include <memory>
#include <string>

#include "comm/communicators.h"
#include "comm/coordinator.h"
#include "comm/process_grid.h"
#include "compute/backend.h"

namespace longhaul::testing {

// What the tests of training run on is chosen by the environment:
//   LONGHAUL_TEST_BACKEND=cpu       fp32 (the default)
//   LONGHAUL_TEST_BACKEND=cpu_bf16  the CPU, rounding where a GPU rounds: see rounding_backend.h
//   LONGHAUL_TEST_BACKEND=cuda      the GPU; all ranks of a job share one, over NCCL
//   LONGHAUL_TEST_ATTENTION=auto|cudnn|flash   on the GPU

/// Do activations and weights have 8 significant bits?
enum class Numbers : std::uint8_t { fp32, bf16 };

struct TestDevice {
  /// Of attention on the GPU: "auto", "cudnn" or "flash"; empty: what the environment says.
  std::string attention;
  /// The same bits every time, on the GPU too.
  bool deterministic = false;
  int cpu_threads = 1;
};

/// The groups of one rank in one layout.
struct RankGroups {
  ProcessGrid grid;
  Communicators comms;
};

/// One rank: what it computes with and how it reaches the others. Communicators and device are
/// costly to open on a GPU, so that many runs use one.
class TestRank {
 public:
  /// The chosen backend on its own.
  static TestRank alone(const TestDevice& device = {});
  /// The chosen backend as a rank of MPI_COMM_WORLD. Collective.
  static TestRank of_world();
  /// A given backend on its own.
  static TestRank alone_on(std::shared_ptr<Backend> backend, Numbers numbers);

  /// The same device, without the other ranks.
  [[nodiscard]] TestRank detached() const { return alone_on(backend_, numbers_); }
  /// Collective over all ranks; the result must not outlive this object.
  [[nodiscard]] std::unique_ptr<RankGroups> connect(const ParallelLayout& layout) const;

  [[nodiscard]] Coordinator& coordinator() const { return *coordinator_; }
  [[nodiscard]] Backend& backend() const { return *backend_; }
  [[nodiscard]] Numbers numbers() const { return numbers_; }

 private:
  std::shared_ptr<Coordinator> coordinator_;
  std::shared_ptr<Backend> backend_;
  Numbers numbers_ = Numbers::fp32;
  bool has_mpi_ = false;
};

}  // namespace longhaul::testing
