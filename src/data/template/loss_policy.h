#pragma once

#include "data/template/chat_template.h"
#include "data/template/loss_scale.h"

namespace longhaul {

/// Decides which parts of a rendered row carry loss. Immutable, shared between threads.
class LossPolicy {
 public:
  /// strict_parity: where the replaced stack ignores a message's "loss", it is ignored.
  LossPolicy(const LossScale& scale, TemplateMode mode, bool strict_parity)
      : scale_(scale), mode_(mode), strict_parity_(strict_parity) {}

  /// Sets the weight of every piece of `rendered`, which comes from `row`. Splits pieces where a
  /// modifier changes the weight, and in the swift dialects joins neighbours of equal weight, as
  /// that stack tokenizes them together. The text stays as it is.
  void apply(const Row& row, RenderedRow& rendered) const;

 private:
  [[nodiscard]] const std::optional<float>& loss_of(const Row& row, const Piece& piece) const;
  [[nodiscard]] float base_weight(const Row& row, const Piece& piece) const;
  void weigh_turn_ends(const Row& row, std::vector<Piece>& pieces) const;

  LossScale scale_;
  TemplateMode mode_;
  bool strict_parity_;
};

}  // namespace longhaul
