#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "compute/device_model.h"
#include "core/stream.h"

namespace longhaul {

/// Memory, streams and events of one device. Pointers refer to this device's memory unless said
/// otherwise. Not thread-safe: one thread calls it.
class Device {
 public:
  Device() = default;
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // ---- what it is
  [[nodiscard]] virtual const DeviceModel& model() const = 0;
  [[nodiscard]] DeviceKind kind() const { return model().kind; }
  [[nodiscard]] DType compute_dtype() const { return model().compute_dtype; }
  /// "cpu (OpenBLAS Zen, 2 threads)", "NVIDIA H100 80GB HBM3 ...", for a person to read.
  [[nodiscard]] virtual std::string describe() const = 0;
  /// Dense peak of the matrix units in compute_dtype(), FLOP/s; 0 when unknown.
  [[nodiscard]] virtual double peak_flops() const { return 0.0; }

  // ---- what the device says of itself, and what profilers show
  struct Health {
    int clock_mhz = 0;
    double power_w = 0.0;
    int temperature_c = 0;
  };
  /// Nothing where the device does not say.
  [[nodiscard]] virtual std::optional<Health> health() const { return std::nullopt; }
  /// Names what the host issues until end_range() on a profiler's time line; ranges nest.
  virtual void begin_range(const char* /*name*/) {}
  virtual void end_range() {}

  // ---- memory
  /// Uninitialised memory aligned to Arena::kAlignment; throws UserError when there is not enough.
  [[nodiscard]] virtual void* allocate(std::size_t bytes) = 0;
  virtual void deallocate(void* data) noexcept = 0;
  /// Host memory that copies to and from the device run beside computing with (pinned, where that
  /// matters); throws UserError when there is not enough.
  [[nodiscard]] virtual void* allocate_host(std::size_t bytes) = 0;
  virtual void deallocate_host(void* data) noexcept = 0;
  /// Bytes of device memory in use by this process now, and free on the device.
  [[nodiscard]] virtual std::size_t memory_used() const = 0;
  [[nodiscard]] virtual std::size_t memory_free() const = 0;
  /// Bytes of memory_used() that no allocate() asked for: the driver's and libraries' own.
  [[nodiscard]] virtual std::size_t memory_overhead() const { return 0; }
  virtual void copy_to_device(void* device, const void* host, std::size_t bytes, Stream stream) = 0;
  virtual void copy_to_host(void* host, const void* device, std::size_t bytes, Stream stream) = 0;
  virtual void copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream) = 0;
  virtual void fill_zero(void* data, std::size_t bytes, Stream stream) = 0;

  // ---- streams and events
  [[nodiscard]] virtual Stream compute_stream() const = 0;
  /// A further stream; lives as long as the device.
  [[nodiscard]] virtual Stream create_stream(const char* name) = 0;
  [[nodiscard]] virtual Event create_event() = 0;
  virtual void record(Event event, Stream stream) = 0;
  /// Work issued on `stream` from now on waits for `event`.
  virtual void wait(Stream stream, Event event) = 0;
  /// The host waits for all work issued on `stream`.
  virtual void synchronize(Stream stream) = 0;
  /// The host waits until the work before the last record() of `event` is done; at once when it was
  /// never recorded.
  virtual void synchronize(Event event) = 0;
  /// Time between the last record() of two events; both must have been reached.
  [[nodiscard]] virtual double seconds_between(Event from, Event to) const = 0;
  /// `poll` is called again and again while the host waits for the device, with the seconds that it
  /// has waited, and may throw: when a peer of a collective has failed, the device would wait
  /// forever. `done` is called when a wait in which `poll` was called is over. Does nothing on
  /// devices that the host never waits for.
  virtual void while_waiting(std::function<void(double seconds)> /*poll*/,
                             std::function<void()> /*done*/) {}
};

/// A range on the profiler's time line: see Device::begin_range.
class ProfilerRange {
 public:
  ProfilerRange(Device& device, const char* name) : device_(device) { device_.begin_range(name); }
  ~ProfilerRange() { device_.end_range(); }
  ProfilerRange(const ProfilerRange&) = delete;
  ProfilerRange& operator=(const ProfilerRange&) = delete;

 private:
  Device& device_;
};

/// Device memory that is given back when it goes out of scope.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Device& device, std::size_t bytes)
      : device_(&device), data_(bytes == 0 ? nullptr : device.allocate(bytes)), bytes_(bytes) {}
  ~DeviceBuffer() { reset(); }
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  void reset() noexcept {
    if (data_ != nullptr) device_->deallocate(data_);
    data_ = nullptr;
    bytes_ = 0;
  }

 private:
  void swap(DeviceBuffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  Device* device_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Host memory from Device::allocate_host that is given back when it goes out of scope.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  PinnedBuffer(Device& device, std::size_t bytes)
      : device_(&device), data_(bytes == 0 ? nullptr : device.allocate_host(bytes)) {}
  ~PinnedBuffer() {
    if (data_ != nullptr) device_->deallocate_host(data_);
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept { swap(other); }
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void swap(PinnedBuffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
  }

  Device* device_ = nullptr;
  void* data_ = nullptr;
};

}  // namespace longhaul
