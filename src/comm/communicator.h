#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "comm/group.h"
#include "core/error.h"
#include "core/stream.h"
#include "core/tensor/dtype.h"

namespace longhaul {

/// An error that the network library itself reported: a peer or a link that failed.
class CommunicationError : public InternalError {
 public:
  using InternalError::InternalError;
};

/// Names a collective for the watchdog and for error messages: a string literal such as
/// "attention.gather_kv".
using Label = const char*;

/// The oldest operation that the device has not finished.
struct PendingOperation {
  Group group = Group::host;
  Label label = "device";  // none is known: the device computes
  std::int64_t bytes = 0;
  std::uint64_t order = 0;  // among the operations of this rank, counted from 1; 0: none is known
};

/// Collectives over tensors of one group of ranks. All ranks of the group make the same calls in
/// the same order with the same counts. Calls are ordered on `stream`; with the MPI implementation
/// (host memory) they are complete when they return, with NCCL (device memory) when the stream has
/// reached them. Counts are in elements. A group of one rank only copies.
class Communicator {
 public:
  Communicator(int rank, int size) : rank_(rank), size_(size) {}
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }

  /// data [count]: the sum of everyone's, in place.
  virtual void all_reduce(void* data, std::int64_t count, DType dtype, Label label,
                          Stream stream) = 0;
  /// send [count] of each rank -> recv [size * count] in rank order. In place when
  /// send == recv + rank * count elements.
  virtual void all_gather(const void* send, void* recv, std::int64_t count, DType dtype,
                          Label label, Stream stream) = 0;
  /// send [size * count] -> recv [count]: the sum of everyone's part number rank(). In place when
  /// recv == send + rank * count elements.
  virtual void reduce_scatter(const void* send, void* recv, std::int64_t count, DType dtype,
                              Label label, Stream stream) = 0;
  virtual void send(const void* data, std::int64_t count, DType dtype, int peer, Label label,
                    Stream stream) = 0;
  virtual void recv(void* data, std::int64_t count, DType dtype, int peer, Label label,
                    Stream stream) = 0;

  /// Calls between the two may be fused into one launch; they are issued at group_end at the
  /// latest.
  virtual void group_start() {}
  virtual void group_end() {}

  // ---- for operations that go on after the call, on a device

  /// Throws CommunicationError when the network or a peer has failed since operations were issued.
  virtual void poll_errors() const {}
  /// The oldest operation that the device has not finished; none where calls complete at once.
  [[nodiscard]] virtual std::optional<PendingOperation> oldest_unfinished() { return std::nullopt; }
  /// Ends the operations in flight, of all groups of this rank, without waiting for other ranks;
  /// later operations fail.
  virtual void abort() noexcept {}

 private:
  int rank_;
  int size_;
};

/// A group of one rank: collectives copy within the process. Host memory only.
std::unique_ptr<Communicator> make_self_communicator();

}  // namespace longhaul
