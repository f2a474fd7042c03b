#pragma once

namespace longhaul {

/// A queue of work on a device, owned by a Backend; work on one stream runs in order. On the CPU
/// everything runs at once when it is issued, so a stream there is only a name.
struct Stream {
  void* handle = nullptr;
};

/// A point in a stream's work that another stream can wait for; owned by a Backend.
struct Event {
  void* handle = nullptr;
};

}  // namespace longhaul
