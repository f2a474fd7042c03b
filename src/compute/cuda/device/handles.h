#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <utility>

#include "core/cuda_check.h"
#include "core/stream.h"

namespace longhaul::cuda {

// Owners of CUDA's handles. Destructors ignore errors: after a failed kernel every call fails, and
// the first failure has been reported already.

/// CUDA's own handle of a backend's stream or event.
inline cudaStream_t native(Stream stream) {
  LONGHAUL_CHECK(stream.handle != nullptr, "the stream was never created");
  return static_cast<cudaStream_t>(stream.handle);
}
inline cudaEvent_t native(Event event) {
  LONGHAUL_CHECK(event.handle != nullptr, "the event was never created");
  return static_cast<cudaEvent_t>(event.handle);
}

/// A stream that does not wait for the legacy default stream.
class StreamHandle {
 public:
  StreamHandle() = default;
  explicit StreamHandle(int priority) {
    LONGHAUL_CUDA_CHECK(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, priority),
                        "creating a stream");
  }
  ~StreamHandle() {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }
  StreamHandle(StreamHandle&& other) noexcept { std::swap(stream_, other.stream_); }
  StreamHandle& operator=(StreamHandle&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }
  StreamHandle(const StreamHandle&) = delete;
  StreamHandle& operator=(const StreamHandle&) = delete;
  [[nodiscard]] cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// An event with a time stamp.
class EventHandle {
 public:
  EventHandle() { LONGHAUL_CUDA_CHECK(cudaEventCreate(&event_), "creating an event"); }
  ~EventHandle() {
    if (event_ != nullptr) cudaEventDestroy(event_);
  }
  EventHandle(EventHandle&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  EventHandle& operator=(EventHandle&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  EventHandle(const EventHandle&) = delete;
  EventHandle& operator=(const EventHandle&) = delete;
  [[nodiscard]] cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Device memory for the backend's own needs, outside of the plan's arena.
class DeviceAllocation {
 public:
  DeviceAllocation() = default;
  explicit DeviceAllocation(std::size_t bytes) : bytes_(bytes) {
    LONGHAUL_CUDA_CHECK(cudaMalloc(&data_, bytes), "allocating scratch memory");
  }
  ~DeviceAllocation() {
    if (data_ != nullptr) cudaFree(data_);
  }
  DeviceAllocation(DeviceAllocation&& other) noexcept { swap(other); }
  DeviceAllocation& operator=(DeviceAllocation&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceAllocation(const DeviceAllocation&) = delete;
  DeviceAllocation& operator=(const DeviceAllocation&) = delete;
  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  void swap(DeviceAllocation& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Page-locked host memory.
class PinnedAllocation {
 public:
  PinnedAllocation() = default;
  explicit PinnedAllocation(std::size_t bytes) : bytes_(bytes) {
    LONGHAUL_CUDA_CHECK(cudaMallocHost(&data_, bytes), "allocating page-locked host memory");
  }
  ~PinnedAllocation() {
    if (data_ != nullptr) cudaFreeHost(data_);
  }
  PinnedAllocation(PinnedAllocation&& other) noexcept { swap(other); }
  PinnedAllocation& operator=(PinnedAllocation&& other) noexcept {
    swap(other);
    return *this;
  }
  PinnedAllocation(const PinnedAllocation&) = delete;
  PinnedAllocation& operator=(const PinnedAllocation&) = delete;
  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  void swap(PinnedAllocation& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace longhaul::cuda
