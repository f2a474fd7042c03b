#pragma once

#include <mpi.h>

#include <memory>

#include "comm/communicators.h"
#include "comm/process_grid.h"
#include "comm/progress.h"

namespace longhaul {

/// Collectives on host memory over MPI. float32, float64, int32, int64 and uint8 can be reduced;
/// 16-bit floats can be moved but not reduced. Any count: long messages are cut into pieces of at
/// most 2^30 elements, because Open MPI 4's counts are ints.
class MpiCommunicator final : public Communicator {
 public:
  /// A communicator of its own over `ranks` (world ranks, in group order) out of `world`.
  /// Collective over the group. `progress`, if any, learns of each collective, as one of
  /// a group of this kind.
  MpiCommunicator(MPI_Comm world, const std::vector<int>& ranks, Group kind = Group::world,
                  ProgressRecord* progress = nullptr);
  ~MpiCommunicator() override;
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  void all_reduce(void* data, std::int64_t count, DType dtype, Label label, Stream stream) override;
  void all_gather(const void* send, void* recv, std::int64_t count, DType dtype, Label label,
                  Stream stream) override;
  void reduce_scatter(const void* send, void* recv, std::int64_t count, DType dtype, Label label,
                      Stream stream) override;
  void send(const void* data, std::int64_t count, DType dtype, int peer, Label label,
            Stream stream) override;
  void recv(void* data, std::int64_t count, DType dtype, int peer, Label label,
            Stream stream) override;

 private:
  /// What the collective does between here and the end of the scope is waiting.
  [[nodiscard]] CollectiveScope scope(Label label, std::int64_t count, DType dtype) const;

  MPI_Comm comm_;
  Group group_;
  ProgressRecord* progress_;
  std::unique_ptr<std::byte[]> scratch_;  // result of an in-place reduce_scatter
  std::size_t scratch_bytes_ = 0;
};

/// All groups of this rank, over host memory. Collective over `world`.
Communicators make_mpi_communicators(MPI_Comm world, const ProcessGrid& grid,
                                     ProgressRecord* progress = nullptr);

}  // namespace longhaul
