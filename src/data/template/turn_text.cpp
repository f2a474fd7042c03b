#include "data/template/turn_text.h"

#include <algorithm>

namespace longhaul {

void TurnText::append(std::string_view words, std::size_t message) {
  if (parts_.empty() || parts_.back().message != message) parts_.push_back({text_.size(), message});
  text_ += words;
}

void TurnText::prepend(std::string_view words) {
  text_.insert(0, words);
  for (std::size_t i = 1; i < parts_.size(); ++i) parts_[i].begin += words.size();
}

void TurnText::cut(std::size_t begin, std::size_t count) {
  text_ = text_.substr(begin, count);
  for (Part& part : parts_) {
    part.begin = std::min(part.begin > begin ? part.begin - begin : 0, text_.size());
  }
}

}  // namespace longhaul
