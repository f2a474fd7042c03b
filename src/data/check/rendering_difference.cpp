#include "data/check/rendering_difference.h"

#include <algorithm>

namespace longhaul {

std::optional<IdDifference> find_id_difference(const RowEncoder& encoder,
                                               const RenderedRow& rendered,
                                               std::span<const std::int64_t> theirs,
                                               RowEncoder::Scratch& scratch) {
  const std::vector<std::int32_t> ours = encoder.encode(rendered, scratch).tokens;
  const auto [our, their] = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  if (our == ours.end() && their == theirs.end()) return std::nullopt;
  IdDifference difference;
  difference.index = our - ours.begin();
  if (our != ours.end()) difference.ours = *our;
  if (their != theirs.end()) difference.theirs = *their;
  std::vector<std::int32_t> whole;
  encoder.tokenizer().encode(rendered.text, scratch, whole);
  difference.only_at_boundaries =
      std::equal(whole.begin(), whole.end(), theirs.begin(), theirs.end());
  return difference;
}

}  // namespace longhaul
