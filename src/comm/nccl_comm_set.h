#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

struct ncclComm;  // nccl.h stays out of headers

namespace longhaul {

/// Owns the NCCL communicators of all groups of this rank, and ends them together.
///
/// Together, because ending one frees device memory, which waits for the whole device: if a kernel
/// of another group still waits for a rank that is gone, that never returns. Aborting inside one
/// NCCL group first tells the kernels of all groups to quit.
///
/// Normally the destructor waits for the work in flight and destroys the communicators. It aborts
/// them when an operation has failed and when it runs because of an exception: the other ranks may
/// never come to the work that is in flight.
///
/// Threads: one thread issues operations; async_error() may be called from any other thread.
class NcclCommSet {
 public:
  /// Uses the current CUDA device.
  NcclCommSet();
  ~NcclCommSet();
  NcclCommSet(const NcclCommSet&) = delete;
  NcclCommSet& operator=(const NcclCommSet&) = delete;

  /// Takes the communicator over; returns its number.
  int add(ncclComm* comm);
  /// Fails once the set was aborted.
  [[nodiscard]] ncclComm* at(int number) const;

  void group_start();
  /// Returns NCCL's result, which covers every operation of the group.
  [[nodiscard]] int group_end();
  [[nodiscard]] bool in_group() const { return open_groups_ > 0; }

  /// A number for an operation of any of the groups: 1, 2, ...
  [[nodiscard]] std::uint64_t next_order() { return ++operations_; }

  /// The ncclResult_t of ncclCommGetAsyncError; success once the set was aborted.
  [[nodiscard]] int async_error(int number) const;

  /// From now on the communicators are aborted rather than destroyed.
  void mark_failed() { failed_ = true; }
  /// Ends all communicators at once without waiting for the work in flight.
  void abort() noexcept;

 private:
  void destroy() noexcept;

  const int exceptions_;  // in flight when the set was made
  int device_ = 0;
  int open_groups_ = 0;
  std::uint64_t operations_ = 0;
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;  // guards comms_ against async_error() while it is emptied
  std::vector<ncclComm*> comms_;
};

}  // namespace longhaul
