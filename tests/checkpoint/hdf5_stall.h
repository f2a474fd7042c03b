#pragma once

#include <atomic>
#include <thread>

namespace longhaul::test {

/// While it lives, every call into HDF5 of every other thread of this process waits: as if the disk
/// were very slow. (HDF5 runs one call at a time; this one sits in a callback of such a call.) For
/// the thread that made it too: release it before reading a checkpoint.
class Hdf5Stall {
 public:
  Hdf5Stall();
  ~Hdf5Stall() { release(); }
  Hdf5Stall(const Hdf5Stall&) = delete;
  Hdf5Stall& operator=(const Hdf5Stall&) = delete;

  void release();

 private:
  std::atomic<bool> stalled_{false};
  std::atomic<bool> released_{false};
  std::thread thread_;
};

}  // namespace longhaul::test
