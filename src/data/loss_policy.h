#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "data/chat_template.h"

namespace longhaul {

/// Values of --loss_scale. Another policy is a further value here, a LossPolicy of its own and a
/// case in make_loss_policy and parse_loss_scale.
enum class LossScale : std::uint8_t {
  all_turns  // "default": every assistant turn, weight 1
};

/// Decides which parts of a rendered row carry loss. Immutable, shared between threads.
class LossPolicy {
 public:
  LossPolicy() = default;
  virtual ~LossPolicy() = default;
  LossPolicy(const LossPolicy&) = delete;
  LossPolicy& operator=(const LossPolicy&) = delete;

  /// Sets the weight of every piece of `rendered`, which comes from `row`. May split pieces (their
  /// parts are then tokenized separately), but must not change the text.
  virtual void apply(const Row& row, RenderedRow& rendered) const = 0;
};

std::unique_ptr<LossPolicy> make_loss_policy(LossScale scale);

/// "default" -> LossScale::all_turns. Throws UserError naming --loss_scale and the known values.
LossScale parse_loss_scale(std::string_view text);
std::string_view name_of(LossScale scale);

}  // namespace longhaul
