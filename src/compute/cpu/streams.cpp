// Work is complete when an op returns, so ordering costs nothing; handles are checked all the same,
// because a mistake here would be a race on a device.
#include "compute/cpu/cpu_device.h"
#include "core/error.h"

namespace longhaul::cpu {

Stream CpuDevice::compute_stream() const {
  return Stream{const_cast<std::string*>(&stream_names_.front())};
}

Stream CpuDevice::create_stream(const char* name) {
  return Stream{&stream_names_.emplace_back(name)};
}

Event CpuDevice::create_event() { return Event{&events_.emplace_back()}; }

void CpuDevice::record(Event event, Stream stream) {
  LONGHAUL_CHECK(event.handle != nullptr && stream.handle != nullptr,
                 "record: the event or the stream was never created");
  *static_cast<std::chrono::steady_clock::time_point*>(event.handle) =
      std::chrono::steady_clock::now();
}

double CpuDevice::seconds_between(Event from, Event to) const {
  const auto time = [](Event event) {
    return *static_cast<const std::chrono::steady_clock::time_point*>(event.handle);
  };
  return std::chrono::duration<double>(time(to) - time(from)).count();
}

void CpuDevice::wait(Stream stream, Event event) {
  LONGHAUL_CHECK(event.handle != nullptr && stream.handle != nullptr,
                 "wait: the event or the stream was never created");
}

void CpuDevice::synchronize(Stream stream) {
  LONGHAUL_CHECK(stream.handle != nullptr, "synchronize: the stream was never created");
}

void CpuDevice::synchronize(Event event) {
  LONGHAUL_CHECK(event.handle != nullptr, "synchronize: the event was never created");
}

}  // namespace longhaul::cpu
