#pragma once

#include <cstdint>

namespace longhaul {

enum class UnitKind : std::uint8_t { embedding, layer, head };

/// A part of the model whose weights are used, and whose gradients are complete, at the same time:
/// the embedding, a layer, or the head (final norm and vocabulary projection).
struct Unit {
  UnitKind kind = UnitKind::embedding;
  int layer = 0;  // of UnitKind::layer, from 0

  static constexpr Unit embedding() { return {UnitKind::embedding, 0}; }
  static constexpr Unit of_layer(int layer) { return {UnitKind::layer, layer}; }
  static constexpr Unit head() { return {UnitKind::head, 0}; }
  friend constexpr bool operator==(const Unit&, const Unit&) = default;
};

}  // namespace longhaul
