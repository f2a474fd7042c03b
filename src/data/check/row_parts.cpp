#include "data/check/row_parts.h"

#include <unordered_set>

namespace longhaul {

std::vector<RowPart> split_into_parts(const Tokenizer& tokenizer, const EncodedSample& sample) {
  std::unordered_set<std::int32_t> added_ids;
  for (const AddedToken& token : tokenizer.added_tokens()) added_ids.insert(token.id);
  std::vector<RowPart> parts;
  for (std::size_t i = 0; i < sample.tokens.size(); ++i) {
    const bool added = added_ids.contains(sample.tokens[i]);
    const float weight = sample.weights[i];
    if (!added && !parts.empty() && !parts.back().added && parts.back().weight == weight) {
      ++parts.back().count;
    } else {
      parts.push_back({i, 1, weight, added});
    }
  }
  return parts;
}

std::string text_of(const Tokenizer& tokenizer, const EncodedSample& sample, const RowPart& part) {
  std::string text;
  for (std::size_t i = part.first; i < part.first + part.count; ++i) {
    text += tokenizer.token_bytes(sample.tokens[i]);
  }
  return text;
}

}  // namespace longhaul
