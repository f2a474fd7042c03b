#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "comm/communicator.h"
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

/// The oldest operation that the device has not finished, over all groups of a rank.
struct PendingOperation {
  Group group = Group::host;
  Label label = "device";  // none is known: the device computes
  std::int64_t bytes = 0;
  std::uint64_t order = 0;  // among the operations of this rank
};

/// Collectives on device memory over NCCL; a Stream's handle is a cudaStream_t. Operations are
/// complete when the stream has reached them; barrier() alone is complete when it returns. 16-bit
/// floats are summed in their own format, with a rounding at each step of NCCL's algorithm.
///
/// Operations of one group must not depend on each other between group_start() and group_end(), and
/// barrier() is not allowed there. Buffers of an operation may not overlap, other than in place.
///
/// Threads: one thread issues the operations of all communicators of a rank, in the same order on
/// all ranks. last_operation() and poll_errors() may be called from any thread, as long as the
/// communicator lives.
class NcclCommunicator final : public Communicator {
 public:
  /// `number` in `set` is this group's; a group of one rank has none (-1) and only copies.
  /// `progress`, if any, learns of each operation, as one of a group of this kind.
  NcclCommunicator(std::string name, int rank, int size, std::shared_ptr<NcclCommSet> set,
                   int number, Group kind, ProgressRecord* progress);
  ~NcclCommunicator() override;
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  void all_reduce(void* data, std::int64_t count, DType dtype, ReduceOp op, Label label,
                  Stream stream) override;
  void all_gather(const void* send, void* recv, std::int64_t count, DType dtype, Label label,
                  Stream stream) override;
  void reduce_scatter(const void* send, void* recv, std::int64_t count, DType dtype, Label label,
                      Stream stream) override;
  void broadcast(void* data, std::int64_t count, DType dtype, int root, Label label,
                 Stream stream) override;
  void send(const void* data, std::int64_t count, DType dtype, int peer, Label label,
            Stream stream) override;
  void recv(void* data, std::int64_t count, DType dtype, int peer, Label label,
            Stream stream) override;
  /// Returns when all ranks of the group have come here and the work before it on `stream` is done.
  void barrier(Label label, Stream stream) override;
  void group_start() override;
  void group_end() override;

  /// "tp", "dp_cp", ...
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] LastOperation last_operation() const;
  /// Throws InternalError when NCCL has met an error since the operations were issued (a network
  /// or a peer that failed): naming the group, its newest operation and NCCL's text.
  void poll_errors() const;
  /// The oldest of the newest 256 operations that the device has not finished yet; operations
  /// between group_start() and group_end() count as their last one. For the issuing thread; asks
  /// the device.
  [[nodiscard]] std::optional<PendingOperation> oldest_unfinished();
  /// Ends the communicators of all groups of this rank without waiting; later operations fail.
  void abort() noexcept { set_->abort(); }

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
  /// Waits for the stream, and gives up when NCCL reports an error.
  void wait_for(Stream stream, Label label) const;

  std::string name_;
  std::shared_ptr<NcclCommSet> set_;
  int number_;
  Group kind_;
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
/// Groups of one rank have no NCCL communicator. Sharing of resources: dp is split from dp_cp and
/// shares its buffers and connections, the other groups share nothing. NCCL runs operations of
/// communicators that share strictly one after the other, whatever their streams: if all groups
/// shared, a TP gather in the middle of a layer would wait for the gradients that travel between
/// the nodes. dp and dp_cp use the same links for the same kind of work.
///
/// Sets environment variables for NCCL (nccl_environment.h). An error in here leaves other ranks
/// waiting inside NCCL: let it end the job.
/// `progress`, if any, learns of each operation; it must outlive the groups.
Communicators make_nccl_communicators(Coordinator& coordinator, const ProcessGrid& grid,
                                      const NcclOptions& options, const Log& log,
                                      ProgressRecord* progress = nullptr);

/// NcclCommunicator::poll_errors() of all groups that are NCCL's.
void poll_nccl_errors(const Communicators& comms);

/// NcclCommunicator::oldest_unfinished() over all groups that are NCCL's.
PendingOperation oldest_unfinished(const Communicators& comms);

/// Ends the NCCL communicators of all groups without waiting for the work in flight. For a rank
/// that leaves a step through an exception: anything that frees device memory waits for the whole
/// device, so that destructors would hang if a kernel still waited for a rank that will not come.
/// Call it in a catch block that sees the exception before device buffers are given back.
void abort_nccl_communicators(const Communicators& comms) noexcept;

}  // namespace longhaul
