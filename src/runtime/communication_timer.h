#pragma once

#include <cstddef>
#include <vector>

#include "compute/device.h"

namespace longhaul {

/// How long the compute stream stands still for other ranks: marks in it around every collective
/// and every wait for one, read when all have been reached. What runs beside computing costs
/// nothing between its marks. Records only between start() and stop().
class CommunicationTimer {
 public:
  explicit CommunicationTimer(Device& device) : device_(device) {}

  void start();
  void stop() { running_ = false; }

  /// Calls issue(), which puts collectives or waits into the compute stream.
  template <typename Issue>
  void timed(const Issue& issue) {
    mark();
    issue();
    mark();
  }

  /// Intervals since start().
  [[nodiscard]] std::size_t count() const { return used_ / 2; }
  /// Sum of the intervals first .. last - 1; the compute stream must have reached their ends.
  [[nodiscard]] double seconds(std::size_t first, std::size_t last) const;

 private:
  void mark();

  Device& device_;
  std::vector<Event> events_;  // begin and end of each interval; grows to the longest step
  std::size_t used_ = 0;
  bool running_ = false;
};

}  // namespace longhaul
