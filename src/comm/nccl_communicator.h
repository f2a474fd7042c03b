#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "comm/communicators.h"
#include "comm/coordinator.h"
#include "comm/nccl_comm_set.h"
#include "comm/process_grid.h"
#include "comm/progress.h"
#include "core/log.h"

namespace longhaul {

struct NcclOptions {
  /// Ranks that share one GPU (--ranks_per_gpu), for tests: see nccl_environment.h.
  int ranks_per_gpu = 1;
  /// The same bits in every run of the same layout on the same machines.
  bool deterministic = false;
};

/// The newest operation that was issued on a communicator.
struct LastOperation {
  const char* operation = "";  // "all_gather"
  Label label = "";            // "attention.gather_kv"
  std::size_t bytes = 0;       // of the larger of its buffers
  std::uint64_t calls = 0;     // operations so far, this one included
};

/// Collectives on device memory over NCCL; a Stream's handle is a cudaStream_t. 16-bit floats are
/// summed in their own format, with a rounding at each step of NCCL's algorithm.
///
/// Operations of one group must not depend on each other between group_start() and group_end().
/// Buffers of an operation may not overlap, other than in place.
///
/// Threads: one thread issues the operations of all communicators of a rank, in the same order on
/// all ranks. last_operation() and poll_errors() may be called from any thread, as long as the
/// communicator lives.
class NcclCommunicator final : public Communicator {
 public:
  /// `number` in `set` is this group's; a group of one rank has none (-1) and only copies.
  /// `progress`, if any, learns of each operation, as one of `group`.
  NcclCommunicator(Group group, int rank, int size, std::shared_ptr<NcclCommSet> set, int number,
                   ProgressRecord* progress);
  ~NcclCommunicator() override;
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  void all_reduce(void* data, std::int64_t count, DType dtype, Label label, Stream stream) override;
  void all_gather(const void* send, void* recv, std::int64_t count, DType dtype, Label label,
                  Stream stream) override;
  void reduce_scatter(const void* send, void* recv, std::int64_t count, DType dtype, Label label,
                      Stream stream) override;
  void send(const void* data, std::int64_t count, DType dtype, int peer, Label label,
            Stream stream) override;
  void recv(void* data, std::int64_t count, DType dtype, int peer, Label label,
            Stream stream) override;
  void group_start() override;
  void group_end() override;

  /// Names the group, its newest operation and NCCL's text.
  void poll_errors() const override;
  /// Of the newest 256 operations; those between group_start() and group_end() count as their last
  /// one. For the issuing thread; asks the device.
  [[nodiscard]] std::optional<PendingOperation> oldest_unfinished() override;
  void abort() noexcept override { set_->abort(); }

  [[nodiscard]] LastOperation last_operation() const;

 private:
  /// Remembers the operation; returns its NCCL communicator, null when there is nothing to do for
  /// NCCL (a group of one, or no elements).
  ncclComm* begin(const char* operation, Label label, std::int64_t count, std::int64_t parts,
                  DType dtype);
  void check(int result) const;
  /// The operation of begin() was issued on `stream`: its end can be seen from now on.
  void issued(Stream stream);
  void mark_end(Stream stream);
  [[nodiscard]] std::string describe_failure(int result) const;

  Group group_;
  std::shared_ptr<NcclCommSet> set_;
  int number_;
  ProgressRecord* progress_;
  mutable std::mutex mutex_;  // guards last_
  LastOperation last_;

  /// An operation whose end an event marks.
  struct Issued {
    PendingOperation operation;
    void* event = nullptr;  // cudaEvent_t, made when it is first needed
  };
  static constexpr std::size_t kRemembered = 256;
  std::array<Issued, kRemembered> issued_{};  // a ring
  std::uint64_t issued_count_ = 0;            // operations so far
  std::uint64_t finished_count_ = 0;          // of them, those known to be finished, or forgotten
  std::optional<Stream> grouped_;             // of the operations since group_start()
};

/// All groups of this rank, over memory of the current CUDA device. Collective; MPI carries one
/// message, the address to meet at, and NCCL does without it from then on.
///
/// Groups of one rank have no NCCL communicator. Sharing of resources: `weights` is split from
/// dp_cp and shares its buffers and connections, the other groups share nothing. NCCL runs
/// operations of communicators that share strictly one after the other, in the order of issue,
/// whatever their streams: if all groups shared, a TP gather in the middle of a layer would wait
/// for the gradients that travel between the nodes. `weights` and dp_cp use the same links; buffers
/// of its own would let a gather of weights overtake the gradients issued before it, for device
/// memory of the size of dp_cp's.
///
/// Sets environment variables for NCCL (nccl_environment.h). An error in here leaves other ranks
/// waiting inside NCCL: let it end the job.
/// `progress`, if any, learns of each operation; it must outlive the groups.
Communicators make_nccl_communicators(Coordinator& coordinator, const ProcessGrid& grid,
                                      const NcclOptions& options, const Log& log,
                                      ProgressRecord* progress = nullptr);

}  // namespace longhaul
