#include "data/tokenizer/added_tokens.h"

#include <algorithm>

namespace longhaul {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() > b.content.size();
  });
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const char first = tokens_[i].content.front();
    by_first_byte_[static_cast<unsigned char>(first)].push_back(static_cast<std::uint32_t>(i));
    if (first_bytes_.find(first) == std::string::npos) first_bytes_ += first;
  }
}

std::size_t AddedTokens::find_first_byte(std::string_view text, std::size_t from) const {
  if (first_bytes_.size() == 1) return text.find(first_bytes_.front(), from);
  return text.find_first_of(first_bytes_, from);
}

AddedTokens::Match AddedTokens::find(std::string_view text, std::size_t from) const {
  if (first_bytes_.empty()) return {};
  while ((from = find_first_byte(text, from)) != std::string_view::npos) {
    for (const std::uint32_t index : by_first_byte_[static_cast<unsigned char>(text[from])]) {
      const AddedToken& token = tokens_[index];
      if (text.compare(from, token.content.size(), token.content) == 0) {
        return {from, from + token.content.size(), token.id};
      }
    }
    ++from;
  }
  return {};
}

}  // namespace longhaul
