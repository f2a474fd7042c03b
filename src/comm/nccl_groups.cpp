// Makes the NCCL communicators of a rank's groups.
#include <cstring>
#include <functional>
#include <initializer_list>

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

/// Splits the groups of one rank off its world.
class GroupMaker {
 public:
  GroupMaker(const ProcessGrid& grid, ProgressRecord* progress)
      : rank_(grid.rank()), progress_(progress), set_(std::make_shared<NcclCommSet>()) {}

  /// All ranks; the parent of the other groups. Returns its number in the set.
  int make_world(Coordinator& coordinator, int size) {
    if (size == 1) return -1;
    const ncclUniqueId id = agree_on_id(coordinator);
    ncclConfig_t config = group_config("world", ChildResources::own);
    ncclComm_t comm = nullptr;
    const CollectiveScope waiting(progress_, Group::world, "nccl.connect", 0);
    LONGHAUL_NCCL_CHECK(ncclCommInitRankConfig(&comm, size, id, rank_, &config),
                        "ncclCommInitRankConfig");
    return set_->add(comm);
  }

  /// `ranks` (world ranks in group order) of `parent`. All ranks of the parent call it, each with
  /// its own group; the groups have the same size. Returns the number in the set.
  int split(const char* name, int parent, const std::vector<int>& ranks, ChildResources children) {
    if (ranks.size() == 1) return -1;
    ncclConfig_t config = group_config(name, children);
    ncclComm_t comm = nullptr;
    const CollectiveScope waiting(progress_, Group::world, "nccl.split", 0);
    // Groups are disjoint, so that the first member names one.
    LONGHAUL_NCCL_CHECK(
        ncclCommSplit(set_->at(parent), ranks.front(), position(ranks), &comm, &config),
        fmt::format("ncclCommSplit {}", name));
    const int number = set_->add(comm);
    int size = 0;
    int rank = 0;
    LONGHAUL_NCCL_CHECK(ncclCommCount(comm, &size), "ncclCommCount");
    LONGHAUL_NCCL_CHECK(ncclCommUserRank(comm, &rank), "ncclCommUserRank");
    LONGHAUL_CHECK(size == static_cast<int>(ranks.size()) && rank == position(ranks),
                   "NCCL's {} group has {} ranks and this one is {}", name, size, rank);
    return number;
  }

  std::unique_ptr<Communicator> communicator(Group kind, const std::vector<int>& ranks,
                                             int number) const {
    return std::make_unique<NcclCommunicator>(name_of(kind), position(ranks),
                                              static_cast<int>(ranks.size()), set_, number, kind,
                                              progress_);
  }

 private:
  [[nodiscard]] int position(const std::vector<int>& ranks) const {
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      if (ranks[i] == rank_) return static_cast<int>(i);
    }
    LONGHAUL_CHECK(false, "rank {} is not in its own group", rank_);
    return -1;
  }

  int rank_;
  ProgressRecord* progress_;
  std::shared_ptr<NcclCommSet> set_;
};

/// Calls `work` with each group that is NCCL's.
void for_each_nccl(const Communicators& comms, const std::function<void(NcclCommunicator&)>& work) {
  for (Communicator* const group :
       {comms.tp.get(), comms.cp.get(), comms.dp.get(), comms.dp_cp.get(), comms.world.get()}) {
    if (auto* const nccl = dynamic_cast<NcclCommunicator*>(group); nccl != nullptr) work(*nccl);
  }
}

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
  std::vector<int> everyone;
  for (int i = 0; i < grid.world(); ++i) everyone.push_back(i);

  // The same order on all ranks: each line is collective over its parent.
  GroupMaker maker(grid, progress);
  const int world = maker.make_world(coordinator, grid.world());
  const int tp = maker.split("tp", world, grid.tp_group(), ChildResources::own);
  const int cp = maker.split("cp", world, grid.cp_group(), ChildResources::own);
  const int dp_cp = maker.split("dp_cp", world, grid.dp_cp_group(), ChildResources::shared);
  const int dp = maker.split("dp", dp_cp, grid.dp_group(), ChildResources::own);
  return {maker.communicator(Group::tp, grid.tp_group(), tp),
          maker.communicator(Group::cp, grid.cp_group(), cp),
          maker.communicator(Group::dp, grid.dp_group(), dp),
          maker.communicator(Group::dp_cp, grid.dp_cp_group(), dp_cp),
          maker.communicator(Group::world, everyone, world)};
}

void poll_nccl_errors(const Communicators& comms) {
  for_each_nccl(comms, [](const NcclCommunicator& group) { group.poll_errors(); });
}

PendingOperation oldest_unfinished(const Communicators& comms) {
  PendingOperation oldest;
  for_each_nccl(comms, [&](NcclCommunicator& group) {
    const std::optional<PendingOperation> found = group.oldest_unfinished();
    if (found && (oldest.order == 0 || found->order < oldest.order)) oldest = *found;
  });
  return oldest;
}

void abort_nccl_communicators(const Communicators& comms) noexcept {
  for_each_nccl(comms, [](NcclCommunicator& group) { group.abort(); });
}

}  // namespace longhaul
