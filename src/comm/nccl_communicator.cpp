#include "comm/nccl_communicator.h"

#include <functional>
#include <utility>

#include "comm/nccl_check.h"
#include "core/cuda_check.h"

namespace longhaul {
namespace {

ncclDataType_t nccl_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return ncclFloat32;
    case DType::f64:
      return ncclFloat64;
    case DType::bf16:
      return ncclBfloat16;
    case DType::f16:
      return ncclFloat16;
    case DType::i32:
      return ncclInt32;
    case DType::i64:
      return ncclInt64;
    case DType::u8:
      return ncclUint8;
  }
  return ncclNumTypes;
}

cudaStream_t cuda_stream(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }

std::size_t bytes_of(std::int64_t count, DType dtype) {
  return static_cast<std::size_t>(count) * size_of(dtype);
}

const std::byte* offset(const void* base, std::int64_t elements, DType dtype) {
  return static_cast<const std::byte*>(base) + bytes_of(elements, dtype);
}

/// Do a [a_bytes] and b [b_bytes] share a byte?
bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const std::less<> before;
  const auto* const a_begin = static_cast<const std::byte*>(a);
  const auto* const b_begin = static_cast<const std::byte*>(b);
  return before(a_begin, b_begin + b_bytes) && before(b_begin, a_begin + a_bytes);
}

void copy(const void* from, void* to, std::size_t bytes, Label label, Stream stream) {
  if (from == to || bytes == 0) return;
  LONGHAUL_CUDA_CHECK(
      cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cuda_stream(stream)), label);
}

}  // namespace

NcclCommunicator::NcclCommunicator(Group group, int rank, int size,
                                   std::shared_ptr<NcclCommSet> set, int number,
                                   ProgressRecord* progress)
    : Communicator(rank, size),
      group_(group),
      set_(std::move(set)),
      number_(number),
      progress_(progress) {
  LONGHAUL_CHECK((number_ >= 0) == (size > 1), "{}: {} ranks", name_of(group_), size);
}

NcclCommunicator::~NcclCommunicator() {
  for (const Issued& operation : issued_) {
    if (operation.event != nullptr) cudaEventDestroy(static_cast<cudaEvent_t>(operation.event));
  }
}

void NcclCommunicator::all_reduce(void* data, std::int64_t count, DType dtype, Label label,
                                  Stream stream) {
  ncclComm* const comm = begin("all_reduce", label, count, 1, dtype);
  if (comm == nullptr) return;
  check(ncclAllReduce(data, data, static_cast<std::size_t>(count), nccl_type(dtype), ncclSum, comm,
                      cuda_stream(stream)));
  issued(stream);
}

void NcclCommunicator::all_gather(const void* send, void* recv, std::int64_t count, DType dtype,
                                  Label label, Stream stream) {
  ncclComm* const comm = begin("all_gather", label, count, size(), dtype);
  LONGHAUL_CHECK(send == offset(recv, rank() * count, dtype) ||
                     !overlap(send, bytes_of(count, dtype), recv, bytes_of(size() * count, dtype)),
                 "{}: the part to send overlaps the result, and is not in its place there", label);
  if (comm == nullptr) return copy(send, recv, bytes_of(count, dtype), label, stream);
  check(ncclAllGather(send, recv, static_cast<std::size_t>(count), nccl_type(dtype), comm,
                      cuda_stream(stream)));
  issued(stream);
}

void NcclCommunicator::reduce_scatter(const void* send, void* recv, std::int64_t count, DType dtype,
                                      Label label, Stream stream) {
  ncclComm* const comm = begin("reduce_scatter", label, count, size(), dtype);
  LONGHAUL_CHECK(recv == offset(send, rank() * count, dtype) ||
                     !overlap(send, bytes_of(size() * count, dtype), recv, bytes_of(count, dtype)),
                 "{}: the result overlaps what is sent, and is not at this rank's part of it",
                 label);
  if (comm == nullptr) return copy(send, recv, bytes_of(count, dtype), label, stream);
  check(ncclReduceScatter(send, recv, static_cast<std::size_t>(count), nccl_type(dtype), ncclSum,
                          comm, cuda_stream(stream)));
  issued(stream);
}

void NcclCommunicator::send(const void* data, std::int64_t count, DType dtype, int peer,
                            Label label, Stream stream) {
  ncclComm* const comm = begin("send", label, count, 1, dtype);
  LONGHAUL_CHECK(peer >= 0 && peer < size() && peer != rank(),
                 "{}: rank {} sends to {} of {} ranks", label, rank(), peer, size());
  if (comm == nullptr) return;
  check(ncclSend(data, static_cast<std::size_t>(count), nccl_type(dtype), peer, comm,
                 cuda_stream(stream)));
  issued(stream);
}

void NcclCommunicator::recv(void* data, std::int64_t count, DType dtype, int peer, Label label,
                            Stream stream) {
  ncclComm* const comm = begin("recv", label, count, 1, dtype);
  LONGHAUL_CHECK(peer >= 0 && peer < size() && peer != rank(),
                 "{}: rank {} receives from {} of {} ranks", label, rank(), peer, size());
  if (comm == nullptr) return;
  check(ncclRecv(data, static_cast<std::size_t>(count), nccl_type(dtype), peer, comm,
                 cuda_stream(stream)));
  issued(stream);
}

void NcclCommunicator::group_start() {
  if (number_ >= 0) set_->group_start();
}

void NcclCommunicator::group_end() {
  if (number_ < 0) return;
  check(set_->group_end());
  if (set_->in_group() || !grouped_) return;
  mark_end(*std::exchange(grouped_, std::nullopt));
}

void NcclCommunicator::issued(Stream stream) {
  if (progress_ != nullptr) progress_->end_wait();
  if (set_->in_group()) {
    grouped_ = stream;  // it is only on the stream after group_end()
  } else {
    mark_end(stream);
  }
}

void NcclCommunicator::mark_end(Stream stream) {
  Issued& slot = issued_[issued_count_ % kRemembered];
  if (slot.event == nullptr) {
    cudaEvent_t event = nullptr;
    LONGHAUL_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), last_.label);
    slot.event = event;
  }
  slot.operation = {group_, last_.label, static_cast<std::int64_t>(last_.bytes),
                    set_->next_order()};
  LONGHAUL_CUDA_CHECK(cudaEventRecord(static_cast<cudaEvent_t>(slot.event), cuda_stream(stream)),
                      last_.label);
  ++issued_count_;
  if (issued_count_ - finished_count_ > kRemembered) ++finished_count_;
}

std::optional<PendingOperation> NcclCommunicator::oldest_unfinished() {
  for (; finished_count_ < issued_count_; ++finished_count_) {
    const Issued& slot = issued_[finished_count_ % kRemembered];
    const cudaError_t state = cudaEventQuery(static_cast<cudaEvent_t>(slot.event));
    if (state == cudaErrorNotReady) {
      // "Not ready" must not be taken for a failure of the next launch.
      static_cast<void>(cudaGetLastError());
      return slot.operation;
    }
    if (state != cudaSuccess) return slot.operation;  // whoever waits for the device will tell
  }
  return std::nullopt;
}

LastOperation NcclCommunicator::last_operation() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

void NcclCommunicator::poll_errors() const {
  if (number_ < 0) return;
  const int result = set_->async_error(number_);
  if (result != ncclInProgress) check(result);
}

ncclComm* NcclCommunicator::begin(const char* operation, Label label, std::int64_t count,
                                  std::int64_t parts, DType dtype) {
  LONGHAUL_CHECK(count >= 0, "{}: {} of {} elements", label, operation, count);
  {
    const std::lock_guard lock(mutex_);
    last_ = {operation, label, bytes_of(count * parts, dtype), last_.calls + 1};
  }
  if (number_ < 0 || count == 0) return nullptr;
  if (progress_ != nullptr) {
    const auto bytes = static_cast<std::int64_t>(bytes_of(count * parts, dtype));
    progress_->issue_collective(group_, label, bytes);
    // The first call of a group connects its ranks, and a full queue waits for the device.
    progress_->wait_for_device(0.0, group_, label, bytes);
  }
  return set_->at(number_);
}

void NcclCommunicator::check(int result) const {
  if (result == ncclSuccess) [[likely]] {
    return;
  }
  set_->mark_failed();
  throw CommunicationError(describe_failure(result));
}

std::string NcclCommunicator::describe_failure(int result) const {
  const LastOperation last = last_operation();
  return fmt::format(
      "NCCL group {} (this is rank {} of {}), newest operation {} '{}' of {} bytes, number {}: {}",
      name_of(group_), rank(), size(), last.operation, last.label, last.bytes, last.calls,
      nccl_error_text(static_cast<ncclResult_t>(result)));
}

}  // namespace longhaul
