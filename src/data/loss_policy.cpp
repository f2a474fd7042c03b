#include "data/loss_policy.h"

#include "core/error.h"

namespace longhaul {
namespace {

/// Every assistant turn with the weight that its message sets, 1 where it sets none.
class AllTurns final : public LossPolicy {
 public:
  void apply(const Row& row, RenderedRow& rendered) const override {
    for (Piece& piece : rendered.pieces) {
      if (piece.kind != Piece::Kind::output) continue;
      piece.weight = row.messages[static_cast<std::size_t>(piece.message)].loss.value_or(1.0F);
    }
  }
};

}  // namespace

std::unique_ptr<LossPolicy> make_loss_policy(LossScale scale) {
  switch (scale) {
    case LossScale::all_turns:
      return std::make_unique<AllTurns>();
  }
  LONGHAUL_CHECK(false, "unknown loss scale");
  return nullptr;
}

LossScale parse_loss_scale(std::string_view text) {
  if (text == "default") return LossScale::all_turns;
  user_error("--loss_scale {}: unknown; known: default", text);
}

std::string_view name_of(LossScale /*scale*/) { return "default"; }

}  // namespace longhaul
