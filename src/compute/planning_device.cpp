#include "compute/planning_device.h"

#include "core/error.h"

namespace longhaul {
namespace {

[[noreturn]] void refuse(const char* what) {
  throw InternalError(fmt::format("{}: this device is planned with, not there", what));
}

}  // namespace

std::string PlanningDevice::describe() const { return model_.name + ", planned"; }

void* PlanningDevice::allocate(std::size_t /*bytes*/) { refuse("allocate"); }
void PlanningDevice::deallocate(void* /*data*/) noexcept {}
void* PlanningDevice::allocate_host(std::size_t /*bytes*/) { refuse("allocate_host"); }
void PlanningDevice::deallocate_host(void* /*data*/) noexcept {}
std::size_t PlanningDevice::memory_used() const { refuse("memory_used"); }
std::size_t PlanningDevice::memory_free() const { refuse("memory_free"); }

void PlanningDevice::copy_to_device(void*, const void*, std::size_t, Stream) {
  refuse("copy_to_device");
}
void PlanningDevice::copy_to_host(void*, const void*, std::size_t, Stream) {
  refuse("copy_to_host");
}
void PlanningDevice::copy_on_device(void*, const void*, std::size_t, Stream) {
  refuse("copy_on_device");
}
void PlanningDevice::fill_zero(void*, std::size_t, Stream) { refuse("fill_zero"); }

void PlanningDevice::record(Event, Stream) { refuse("record"); }
void PlanningDevice::wait(Stream, Event) { refuse("wait"); }
void PlanningDevice::synchronize(Stream) { refuse("synchronize"); }
void PlanningDevice::synchronize(Event) { refuse("synchronize"); }
double PlanningDevice::seconds_between(Event, Event) const { refuse("seconds_between"); }

}  // namespace longhaul
