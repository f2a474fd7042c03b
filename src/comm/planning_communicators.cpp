#include "comm/planning_communicators.h"

#include "core/error.h"

namespace longhaul {
namespace {

class PlanningCommunicator final : public Communicator {
 public:
  using Communicator::Communicator;

  void all_reduce(void*, std::int64_t, DType, ReduceOp, Label label, Stream) override {
    refuse(label);
  }
  void all_gather(const void*, void*, std::int64_t, DType, Label label, Stream) override {
    refuse(label);
  }
  void reduce_scatter(const void*, void*, std::int64_t, DType, Label label, Stream) override {
    refuse(label);
  }
  void broadcast(void*, std::int64_t, DType, int, Label label, Stream) override { refuse(label); }
  void send(const void*, std::int64_t, DType, int, Label label, Stream) override { refuse(label); }
  void recv(void*, std::int64_t, DType, int, Label label, Stream) override { refuse(label); }
  void barrier(Label label, Stream) override { refuse(label); }

 private:
  static void refuse(Label label) {
    LONGHAUL_CHECK(false, "{}: this layout is planned, not running", label);
  }
};

}  // namespace

Communicators make_planning_communicators(const ProcessGrid& grid) {
  const auto group = [](int rank, int size) {
    return std::make_unique<PlanningCommunicator>(rank, size);
  };
  const ParallelLayout& layout = grid.layout();
  return {group(grid.tp_rank(), layout.tp), group(grid.cp_rank(), layout.cp),
          group(grid.dp_rank(), layout.dp), group(grid.dp_cp_rank(), grid.dp_cp_size()),
          group(grid.rank(), grid.world())};
}

}  // namespace longhaul
