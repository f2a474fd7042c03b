#pragma once

#include <functional>
#include <vector>

#include "compute/device.h"

namespace longhaul::bench {

/// Seconds of one call.
struct Timing {
  double median = 0.0;
  double best = 0.0;
};

/// Times what is issued on the compute stream with the device's own events. The host waits only at
/// the end, so that the device never runs dry between two calls that are longer than a launch.
class Timer {
 public:
  /// Makes ranks that measure together repeat equally often: seconds of this rank -> of all.
  using Agree = std::function<double(double seconds)>;

  /// seconds: what a measurement may take, about; it has at least five samples all the same.
  Timer(Device& device, double seconds, Agree agree = {});

  /// Issues one call on set number `set` of the operands.
  using Call = std::function<void(int set)>;
  /// How to mend operands that calls change for the worse; its time does not count.
  struct Restore {
    Call set;
    int after_calls;  // so many calls in a row are harmless
  };
  /// `sets` of operands take turns, so that a call does not find its own in a cache. A sample is
  /// one call, or a row of them when they are short.
  Timing measure(int sets, const Call& call, const Restore& restore = {{}, 0});

 private:
  Event event(std::size_t index);

  Device& device_;
  double seconds_;
  Agree agree_;
  std::vector<Event> events_;
};

}  // namespace longhaul::bench
