#pragma once

#include <array>
#include <functional>
#include <memory>

#include "comm/communicator.h"
#include "comm/group.h"

namespace longhaul {

/// The communicators of one rank, one for each group of its layout: comms[Group::tp].
class Communicators {
 public:
  /// None.
  Communicators() = default;
  /// Calls make(group) for each of kTensorGroups, in that order.
  explicit Communicators(const std::function<std::unique_ptr<Communicator>(Group)>& make);

  /// Throws InternalError for Group::host: the coordinator's messages are not tensors.
  [[nodiscard]] Communicator& operator[](Group group) const;

  /// Communicator::poll_errors() of every group.
  void poll_errors() const;
  /// The oldest of all groups.
  [[nodiscard]] PendingOperation oldest_unfinished() const;
  /// Communicator::abort(). For a rank that leaves a step through an exception: giving back device
  /// memory waits for the whole device, so that destructors would hang if a kernel still waited for
  /// a rank that will not come. Call it in a catch block that sees the exception before device
  /// buffers are given back.
  void abort() const noexcept;

 private:
  std::array<std::unique_ptr<Communicator>, kGroups> groups_;  // that of Group::host is null
};

/// For programs that run without MPI: groups of one rank, in host memory.
Communicators make_self_communicators();

}  // namespace longhaul
