#include "comm/planning_communicators.h"

#include "core/error.h"

namespace longhaul {
namespace {

class PlanningCommunicator final : public Communicator {
 public:
  using Communicator::Communicator;

  void all_reduce(void*, std::int64_t, DType, Label label, Stream) override { refuse(label); }
  void all_gather(const void*, void*, std::int64_t, DType, Label label, Stream) override {
    refuse(label);
  }
  void reduce_scatter(const void*, void*, std::int64_t, DType, Label label, Stream) override {
    refuse(label);
  }
  void send(const void*, std::int64_t, DType, int, Label label, Stream) override { refuse(label); }
  void recv(void*, std::int64_t, DType, int, Label label, Stream) override { refuse(label); }

 private:
  static void refuse(Label label) {
    LONGHAUL_CHECK(false, "{}: this layout is planned, not running", label);
  }
};

}  // namespace

Communicators make_planning_communicators(const ProcessGrid& grid) {
  return Communicators([&](Group group) {
    return std::make_unique<PlanningCommunicator>(grid.rank(group), grid.size(group));
  });
}

}  // namespace longhaul
