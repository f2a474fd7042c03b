// Makes the NCCL communicators of a rank's groups.
#include <array>
#include <cstring>

#include "comm/nccl_check.h"
#include "comm/nccl_communicator.h"
#include "comm/nccl_environment.h"
#include "core/cuda_check.h"

static_assert(NCCL_VERSION_CODE >= NCCL_VERSION(2, 18, 1), "ncclCommSplit needs NCCL 2.18");

namespace longhaul {
namespace {

constexpr int kImplicitOrderVersion = NCCL_VERSION(2, 26, 2);

enum class ChildResources : std::uint8_t { own, shared };

/// The configuration of the group `name`; communicators split from it have resources as told.
ncclConfig_t group_config([[maybe_unused]] const char* name, ChildResources children) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  // Calls return when the work is on its stream, or with an error: there is no third state.
  config.blocking = 1;
  config.splitShare = children == ChildResources::shared ? 1 : 0;
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 27, 3)
  config.commName = name;
#endif
  return config;
}

/// "2.28.9"
std::string version_text(int version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

void tell_about_nccl(const ProcessGrid& grid, const NcclOptions& options, const Log& log) {
  int version = 0;
  LONGHAUL_NCCL_CHECK(ncclGetVersion(&version), "ncclGetVersion");
  log.info("NCCL {} connects {} ranks, {}", version_text(version), grid.world(),
           grid.layout().describe());
  if (version < kImplicitOrderVersion) {
    log.warning(
        "NCCL {} does not order collectives of different groups: they may wait for each other for "
        "ever; use NCCL 2.26 or newer",
        version_text(version));
  }
  if (options.ranks_per_gpu > 1 && !mps_is_running()) {
    log.warning(
        "{} ranks share a GPU without NVIDIA MPS: every collective takes tens of milliseconds; "
        "'nvidia-cuda-mps-control -d' starts it",
        options.ranks_per_gpu);
  }
}

/// Where all ranks meet; NCCL listens there on a port that the system chooses.
ncclUniqueId agree_on_id(Coordinator& coordinator) {
  std::string bytes;
  coordinator.run_collectively([&] {
    if (coordinator.rank() != 0) return;
    ncclUniqueId id{};
    LONGHAUL_NCCL_CHECK(ncclGetUniqueId(&id), "ncclGetUniqueId");
    bytes.assign(id.internal, sizeof(id.internal));
  });
  bytes = coordinator.broadcast(std::move(bytes), 0);
  ncclUniqueId id{};
  LONGHAUL_CHECK(bytes.size() == sizeof(id.internal), "{} bytes", bytes.size());
  std::memcpy(id.internal, bytes.data(), bytes.size());
  return id;
}

/// How a group is made: split off `parent`.
struct Split {
  Group group;
  Group parent;
  ChildResources children;  // of groups split off this one
};
/// The order is that of all ranks: each split is collective over its parent.
constexpr std::array kSplits{
    Split{Group::tp, Group::world, ChildResources::own},
    Split{Group::cp, Group::world, ChildResources::own},
    Split{Group::dp_cp, Group::world, ChildResources::shared},
    Split{Group::weights, Group::dp_cp, ChildResources::own},
};

/// Makes the NCCL communicators of one rank.
class GroupMaker {
 public:
  GroupMaker(const ProcessGrid& grid, ProgressRecord* progress)
      : grid_(grid), progress_(progress), set_(std::make_shared<NcclCommSet>()) {
    numbers_.fill(kNone);
  }

  /// All ranks; the parent of the other groups.
  void make_world(Coordinator& coordinator) {
    if (grid_.world() == 1) return;
    const ncclUniqueId id = agree_on_id(coordinator);
    ncclConfig_t config = group_config(name_of(Group::world), ChildResources::own);
    ncclComm_t comm = nullptr;
    const CollectiveScope waiting(progress_, Group::world, "nccl.connect", 0);
    LONGHAUL_NCCL_CHECK(ncclCommInitRankConfig(&comm, grid_.world(), id, grid_.rank(), &config),
                        "ncclCommInitRankConfig");
    numbers_[index_of(Group::world)] = set_->add(comm);
  }

  void split_off(const Split& split) {
    const char* const name = name_of(split.group);
    if (grid_.size(split.group) == 1) return;
    ncclConfig_t config = group_config(name, split.children);
    ncclComm_t comm = nullptr;
    const CollectiveScope waiting(progress_, split.parent, "nccl.split", 0);
    // Groups of a kind are disjoint, so that the first member names one.
    LONGHAUL_NCCL_CHECK(
        ncclCommSplit(set_->at(numbers_[index_of(split.parent)]),
                      grid_.members(split.group).front(), grid_.rank(split.group), &comm, &config),
        fmt::format("ncclCommSplit {}", name));
    numbers_[index_of(split.group)] = set_->add(comm);
    int size = 0;
    int rank = 0;
    LONGHAUL_NCCL_CHECK(ncclCommCount(comm, &size), "ncclCommCount");
    LONGHAUL_NCCL_CHECK(ncclCommUserRank(comm, &rank), "ncclCommUserRank");
    LONGHAUL_CHECK(size == grid_.size(split.group) && rank == grid_.rank(split.group),
                   "NCCL's {} group has {} ranks and this one is {}", name, size, rank);
  }

  [[nodiscard]] std::unique_ptr<Communicator> communicator(Group group) const {
    return std::make_unique<NcclCommunicator>(group, grid_.rank(group), grid_.size(group), set_,
                                              numbers_[index_of(group)], progress_);
  }

 private:
  static constexpr int kNone = -1;  // a group of one rank

  const ProcessGrid& grid_;
  ProgressRecord* progress_;
  std::shared_ptr<NcclCommSet> set_;
  std::array<int, kGroups> numbers_{};  // in the set
};

}  // namespace

Communicators make_nccl_communicators(Coordinator& coordinator, const ProcessGrid& grid,
                                      const NcclOptions& options, const Log& log,
                                      ProgressRecord* progress) {
  LONGHAUL_CHECK(coordinator.size() == grid.world() && coordinator.rank() == grid.rank(),
                 "rank {} of {} in a layout of {}", coordinator.rank(), coordinator.size(),
                 grid.world());
  if (grid.world() > 1) {
    apply_environment(nccl_environment({coordinator.rank(), coordinator.host(),
                                        coordinator.local_size() == coordinator.size(),
                                        options.ranks_per_gpu, options.deterministic}));
    tell_about_nccl(grid, options, log);
  }
  GroupMaker maker(grid, progress);
  maker.make_world(coordinator);
  for (const Split& split : kSplits) maker.split_off(split);
  return Communicators([&](Group group) { return maker.communicator(group); });
}

}  // namespace longhaul
