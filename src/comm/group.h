#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace longhaul {

/// What ranks exchange something for. Each rank belongs to one group of every kind; ProcessGrid
/// says with whom.
enum class Group : std::uint8_t {
  host,     // all ranks: the coordinator's messages, over MPI
  tp,       // what tensor parallelism exchanges inside a layer
  cp,       // what context parallelism exchanges inside a layer
  dp_cp,    // gradients, and whatever else is split over data and context parallelism
  weights,  // the ranks of dp_cp again, for weights alone
  world,    // all ranks
};

inline constexpr std::array kAllGroups{Group::host,  Group::tp,      Group::cp,
                                       Group::dp_cp, Group::weights, Group::world};
inline constexpr std::size_t kGroups = kAllGroups.size();
/// Those with a Communicator: all but the coordinator's.
inline constexpr std::span<const Group, kGroups - 1> kTensorGroups =
    std::span(kAllGroups).subspan<1>();

/// A place for each group, as in an array [kGroups].
constexpr std::size_t index_of(Group group) { return static_cast<std::size_t>(group); }

/// "tp"; "all ranks" for the coordinator's.
const char* name_of(Group group);

}  // namespace longhaul
