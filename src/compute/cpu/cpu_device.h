#pragma once

#include <chrono>
#include <deque>
#include <string>

#include "compute/device.h"

namespace longhaul::cpu {

/// Host memory. Work is complete when an op returns, so streams and events are only names.
class CpuDevice final : public Device {
 public:
  /// kernels: the name of the vector kernels in use, for describe().
  CpuDevice(int threads, const char* kernels);

  [[nodiscard]] const DeviceModel& model() const override { return model_; }
  [[nodiscard]] std::string describe() const override;

  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void deallocate(void* data) noexcept override;
  [[nodiscard]] void* allocate_host(std::size_t bytes) override { return allocate(bytes); }
  void deallocate_host(void* data) noexcept override { deallocate(data); }
  [[nodiscard]] std::size_t memory_used() const override;
  [[nodiscard]] std::size_t memory_free() const override;
  void copy_to_device(void* device, const void* host, std::size_t bytes, Stream stream) override;
  void copy_to_host(void* host, const void* device, std::size_t bytes, Stream stream) override;
  void copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream) override;
  void fill_zero(void* data, std::size_t bytes, Stream stream) override;

  [[nodiscard]] Stream compute_stream() const override;
  [[nodiscard]] Stream create_stream(const char* name) override;
  [[nodiscard]] Event create_event() override;
  void record(Event event, Stream stream) override;
  void wait(Stream stream, Event event) override;
  void synchronize(Stream stream) override;
  void synchronize(Event event) override;
  [[nodiscard]] double seconds_between(Event from, Event to) const override;

 private:
  int threads_;
  const char* kernels_;
  DeviceModel model_;
  std::deque<std::string> stream_names_;  // a deque: handles point at the elements
  std::deque<std::chrono::steady_clock::time_point> events_;  // of the last record()
};

/// The model of a CPU that computes with so many threads.
DeviceModel cpu_model(int threads);

}  // namespace longhaul::cpu
