#include "runtime/select_device.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "compute/cuda/device/device_choice.h"
#include "core/error.h"

namespace longhaul::cuda {
namespace {

std::vector<std::string> visible_uuids() {
  std::vector<std::string> uuids;
  for (DeviceInfo& device : visible_device_infos()) uuids.push_back(std::move(device.uuid));
  return uuids;
}

// A message between ranks: host and UUIDs, one a line.
std::string encode(const RankDevices& devices) {
  std::string text = devices.host;
  for (const std::string& uuid : devices.uuids) text += '\n' + uuid;
  return text;
}

RankDevices decode(const std::string& text) {
  RankDevices devices;
  std::size_t begin = 0;
  for (bool first = true; begin <= text.size(); first = false) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (first) {
      devices.host = std::move(line);
    } else {
      devices.uuids.push_back(std::move(line));
    }
    begin = end + 1;
  }
  return devices;
}

}  // namespace

DeviceInfo select_device(Coordinator& coordinator, int ranks_per_gpu) {
  RankDevices mine;
  coordinator.run_collectively([&] {
    if (auto problem = cuda_problem()) throw UserError(*problem);
    mine = {coordinator.host(), visible_uuids()};
  });
  std::vector<RankDevices> ranks;
  for (const std::string& text : coordinator.all_gather(encode(mine))) {
    ranks.push_back(decode(text));
  }
  DeviceInfo device;
  coordinator.run_collectively([&] {
    device = device_info(choose_device(ranks, coordinator.rank(), ranks_per_gpu).device);
    check_supported(device);
    open_device(device);
  });
  return device;
}

}  // namespace longhaul::cuda
