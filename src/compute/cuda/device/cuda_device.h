#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <string>
#include <vector>

#include "compute/cuda/device/device.h"
#include "compute/cuda/device/device_monitor.h"
#include "compute/cuda/device/handles.h"
#include "compute/cuda/device/pinned_memory.h"
#include "compute/device.h"

namespace longhaul::cuda {

/// Memory, streams and events of the current NVIDIA GPU. One host thread at a time.
class CudaDevice final : public Device {
 public:
  /// info: of the current device. remark: what describe() adds.
  CudaDevice(const DeviceInfo& info, DeviceModel model, std::string remark);
  /// Waits for the work in flight.
  ~CudaDevice() override;
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  /// What is in use now counts as memory_overhead().
  void note_overhead() { overhead_bytes_ = memory_used(); }

  [[nodiscard]] const DeviceModel& model() const override { return model_; }
  [[nodiscard]] std::string describe() const override;
  [[nodiscard]] double peak_flops() const override { return info_.bf16_flops; }
  [[nodiscard]] std::optional<Health> health() const override;
  void begin_range(const char* name) override;
  void end_range() override;

  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void deallocate(void* data) noexcept override;
  [[nodiscard]] void* allocate_host(std::size_t bytes) override;
  void deallocate_host(void* data) noexcept override;
  [[nodiscard]] std::size_t memory_used() const override;
  [[nodiscard]] std::size_t memory_free() const override;
  [[nodiscard]] std::size_t memory_overhead() const override { return overhead_bytes_; }
  void copy_to_device(void* device, const void* host, std::size_t bytes, Stream stream) override;
  void copy_to_host(void* host, const void* device, std::size_t bytes, Stream stream) override;
  void copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream) override;
  void fill_zero(void* data, std::size_t bytes, Stream stream) override;

  [[nodiscard]] Stream compute_stream() const override { return {stream_.get()}; }
  [[nodiscard]] Stream create_stream(const char* name) override;
  [[nodiscard]] Event create_event() override;
  void record(Event event, Stream stream) override;
  void wait(Stream stream, Event event) override;
  void synchronize(Stream stream) override;
  void synchronize(Event event) override;
  [[nodiscard]] double seconds_between(Event from, Event to) const override;
  void while_waiting(std::function<void(double seconds)> poll,
                     std::function<void()> done) override {
    poll_ = std::move(poll);
    done_ = std::move(done);
  }

 private:
  DeviceInfo info_;
  DeviceModel model_;
  std::string remark_;
  DeviceMonitor monitor_;
  StreamHandle stream_;
  std::vector<StreamHandle> streams_;
  std::vector<EventHandle> events_;
  PinnedMemory pinned_memory_;
  std::size_t overhead_bytes_ = 0;
  std::function<void(double seconds)> poll_;
  std::function<void()> done_;
};

}  // namespace longhaul::cuda
