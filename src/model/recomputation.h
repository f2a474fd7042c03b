#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/options/choices.h"

namespace longhaul {

/// What the forward pass of a layer keeps for its backward pass. What is not kept is computed again
/// from what is, by the same code, so the three modes give the same bits.
enum class Recompute : std::uint8_t {
  none,       // everything is kept
  selective,  // the layer's input, attention output and log-sum-exp: all but the attention is
              // redone
  full,       // the layer's input alone
};

inline constexpr std::array<Choice<Recompute>, 3> kRecomputeModes{
    {{Recompute::none, "none"}, {Recompute::selective, "selective"}, {Recompute::full, "full"}}};

std::string_view name_of(Recompute mode);
/// Throws UserError for anything but these names.
Recompute parse_recompute(std::string_view text);

/// What the layers compute again: `mode`, but nothing in the last `kept_layers` of them, which keep
/// everything.
struct Recomputation {
  Recompute mode = Recompute::none;
  std::int64_t kept_layers = 0;

  /// Of layer `layer` of `layers`.
  [[nodiscard]] Recompute mode_of(std::int64_t layer, std::int64_t layers) const {
    return layer < layers - kept_layers ? mode : Recompute::none;
  }
};

/// "none", "selective", "selective in 40 of 64 layers".
std::string describe(const Recomputation& recomputation, std::int64_t layers);

}  // namespace longhaul
