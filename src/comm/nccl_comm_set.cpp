#include "comm/nccl_comm_set.h"

#include <algorithm>
#include <exception>

#include "comm/nccl_check.h"
#include "core/cuda_check.h"

namespace longhaul {

NcclCommSet::NcclCommSet() : exceptions_(std::uncaught_exceptions()) {
  LONGHAUL_CUDA_CHECK(cudaGetDevice(&device_), "nccl: cudaGetDevice");
}

NcclCommSet::~NcclCommSet() {
  int device = device_;
  cudaGetDevice(&device);
  cudaSetDevice(device_);
  if (failed_ || std::uncaught_exceptions() > exceptions_) {
    abort();
  } else {
    destroy();
  }
  cudaSetDevice(device);
}

int NcclCommSet::add(ncclComm* comm) {
  const std::lock_guard lock(mutex_);
  comms_.push_back(comm);
  return static_cast<int>(comms_.size()) - 1;
}

ncclComm* NcclCommSet::at(int number) const {
  // Only the issuing thread adds and aborts, so that it may read without the lock.
  LONGHAUL_CHECK(static_cast<std::size_t>(number) < comms_.size(),
                 "NCCL communicator {} is used after it was aborted", number);
  return comms_[static_cast<std::size_t>(number)];
}

void NcclCommSet::group_start() {
  LONGHAUL_NCCL_CHECK(ncclGroupStart(), "ncclGroupStart");
  ++open_groups_;
}

int NcclCommSet::group_end() {
  LONGHAUL_CHECK(open_groups_ > 0, "group_end without group_start");
  --open_groups_;
  return ncclGroupEnd();
}

int NcclCommSet::async_error(int number) const {
  const std::lock_guard lock(mutex_);
  if (static_cast<std::size_t>(number) >= comms_.size()) return ncclSuccess;
  ncclResult_t state = ncclSuccess;
  const ncclResult_t result =
      ncclCommGetAsyncError(comms_[static_cast<std::size_t>(number)], &state);
  return result == ncclSuccess ? state : result;
}

void NcclCommSet::abort() noexcept {
  const std::lock_guard lock(mutex_);
  // A group left open by an exception would swallow the aborts until it is closed.
  for (; open_groups_ > 0; --open_groups_) ncclGroupEnd();
  if (comms_.empty()) return;
  ncclGroupStart();
  for (ncclComm* const comm : comms_) ncclCommAbort(comm);
  ncclGroupEnd();
  comms_.clear();
}

void NcclCommSet::destroy() noexcept {
  const std::lock_guard lock(mutex_);
  // Children before the parent they share resources with; the order is the same on all ranks.
  std::for_each(comms_.rbegin(), comms_.rend(), [](ncclComm* comm) { ncclCommDestroy(comm); });
  comms_.clear();
}

}  // namespace longhaul
