#include "comm/communicator.h"

#include <cstring>

#include "core/error.h"

namespace longhaul {
namespace {

class SelfCommunicator final : public Communicator {
 public:
  SelfCommunicator() : Communicator(0, 1) {}

  void all_reduce(void*, std::int64_t, DType, Label, Stream) override {}
  void all_gather(const void* send, void* recv, std::int64_t count, DType dtype, Label,
                  Stream) override {
    copy(send, recv, count, dtype);
  }
  void reduce_scatter(const void* send, void* recv, std::int64_t count, DType dtype, Label,
                      Stream) override {
    copy(send, recv, count, dtype);
  }
  void send(const void*, std::int64_t, DType, int, Label label, Stream) override { no_peer(label); }
  void recv(void*, std::int64_t, DType, int, Label label, Stream) override { no_peer(label); }

 private:
  static void copy(const void* send, void* recv, std::int64_t count, DType dtype) {
    if (send != recv) std::memcpy(recv, send, static_cast<std::size_t>(count) * size_of(dtype));
  }
  static void no_peer(Label label) {
    LONGHAUL_CHECK(false, "{}: a group of one has no peer", label);
  }
};

}  // namespace

std::unique_ptr<Communicator> make_self_communicator() {
  return std::make_unique<SelfCommunicator>();
}

}  // namespace longhaul
