#pragma once

#include "compute/device.h"

namespace longhaul {

/// A device that is only planned with: it knows its model, and has no memory, streams or events.
/// Handles that it gives out are empty; anything that would touch a device throws InternalError.
class PlanningDevice final : public Device {
 public:
  explicit PlanningDevice(DeviceModel model) : model_(std::move(model)) {}

  [[nodiscard]] const DeviceModel& model() const override { return model_; }
  [[nodiscard]] std::string describe() const override;

  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void deallocate(void* data) noexcept override;
  [[nodiscard]] void* allocate_host(std::size_t bytes) override;
  void deallocate_host(void* data) noexcept override;
  [[nodiscard]] std::size_t memory_used() const override;
  [[nodiscard]] std::size_t memory_free() const override;
  void copy_to_device(void* device, const void* host, std::size_t bytes, Stream stream) override;
  void copy_to_host(void* host, const void* device, std::size_t bytes, Stream stream) override;
  void copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream) override;
  void fill_zero(void* data, std::size_t bytes, Stream stream) override;

  [[nodiscard]] Stream compute_stream() const override { return {}; }
  [[nodiscard]] Stream create_stream(const char* /*name*/) override { return {}; }
  [[nodiscard]] Event create_event() override { return {}; }
  void record(Event event, Stream stream) override;
  void wait(Stream stream, Event event) override;
  void synchronize(Stream stream) override;
  void synchronize(Event event) override;
  [[nodiscard]] double seconds_between(Event from, Event to) const override;

 private:
  DeviceModel model_;
};

}  // namespace longhaul
