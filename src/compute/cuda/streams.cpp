#include <chrono>
#include <thread>

#include "compute/cuda/cuda_backend.h"

namespace longhaul::cuda {
namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(20);

/// Waits until query() says that the device is done.
template <typename Query>
void wait_until(const Query& query, const std::function<void(double)>& poll,
                const std::function<void()>& done) {
  const auto begin = std::chrono::steady_clock::now();
  auto next_poll = begin + kPollInterval;
  bool polled = false;
  while (true) {
    const cudaError_t code = query();
    if (code == cudaSuccess) break;
    if (code != cudaErrorNotReady) LONGHAUL_CUDA_CHECK(code, "waiting for the device");
    if (const auto now = std::chrono::steady_clock::now(); now >= next_poll) {
      poll(std::chrono::duration<double>(now - begin).count());
      polled = true;
      next_poll = std::chrono::steady_clock::now() + kPollInterval;
    }
    std::this_thread::yield();
  }
  if (polled && done) done();
}

}  // namespace

Stream CudaBackend::create_stream(const char* /*name*/) {
  // Communication and copies are short and others wait for them: they go first.
  int lowest = 0;
  int highest = 0;
  LONGHAUL_CUDA_CHECK(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "stream priorities");
  return {streams_.emplace_back(highest).get()};
}

Event CudaBackend::create_event() { return {events_.emplace_back().get()}; }

void CudaBackend::record(Event event, Stream stream) {
  LONGHAUL_CUDA_CHECK(cudaEventRecord(native(event), native(stream)), "recording an event");
}

void CudaBackend::wait(Stream stream, Event event) {
  LONGHAUL_CUDA_CHECK(cudaStreamWaitEvent(native(stream), native(event)), "waiting for an event");
}

void CudaBackend::synchronize(Stream stream) {
  if (!poll_) {
    LONGHAUL_CUDA_CHECK(cudaStreamSynchronize(native(stream)), "waiting for the device");
    return;
  }
  wait_until([&] { return cudaStreamQuery(native(stream)); }, poll_, done_);
}

void CudaBackend::synchronize(Event event) {
  if (!poll_) {
    LONGHAUL_CUDA_CHECK(cudaEventSynchronize(native(event)), "waiting for the device");
    return;
  }
  wait_until([&] { return cudaEventQuery(native(event)); }, poll_, done_);
}

double CudaBackend::seconds_between(Event from, Event to) const {
  float milliseconds = 0.0F;
  LONGHAUL_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, native(from), native(to)),
                      "reading the time between events");
  return static_cast<double>(milliseconds) * 1e-3;
}

}  // namespace longhaul::cuda
