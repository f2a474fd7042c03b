#include "core/options/choices.h"

namespace longhaul {

std::string choose_one_of(const std::vector<std::string>& names) {
  std::string text = "choose ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

}  // namespace longhaul
