#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "data/template/row_encoder.h"
#include "data/text/text_difference.h"

namespace longhaul {

/// Where two lists of token ids of one text begin to differ; nothing on the side that has ended.
struct IdDifference {
  std::int64_t index = 0;
  std::optional<std::int64_t> ours;
  std::optional<std::int64_t> theirs;
  /// Theirs are the ids of the text tokenized as a whole, so only the cuts between pieces differ.
  bool only_at_boundaries = false;
};

/// Compares the ids that training uses for a rendered row with another program's; nothing when they
/// are equal.
std::optional<IdDifference> find_id_difference(const RowEncoder& encoder,
                                               const RenderedRow& rendered,
                                               std::span<const std::int64_t> theirs,
                                               RowEncoder::Scratch& scratch);

}  // namespace longhaul
