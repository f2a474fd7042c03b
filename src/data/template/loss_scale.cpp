#include "data/template/loss_scale.h"

#include "core/error.h"

namespace longhaul {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view what) {
  user_error(
      "--loss_scale {}: {}; known: default, last_round or all, alone or with the modifiers "
      "ignore_empty_think and hermes, as in last_round+ignore_empty_think",
      text, what);
}

}  // namespace

LossScale parse_loss_scale(std::string_view text) {
  if (text == "last_round_with_ignore_empty_think") {  // how earlier tools spelled it
    return {.base = LossScale::Base::last_round, .ignore_empty_think = true};
  }
  LossScale scale;
  std::string_view rest = text;
  for (bool first = true, more = true; more; first = false) {
    const std::size_t plus = rest.find('+');
    const std::string_view word = rest.substr(0, plus);
    more = plus != std::string_view::npos;
    if (more) rest.remove_prefix(plus + 1);
    if (word == "ignore_empty_think") {
      scale.ignore_empty_think = true;
    } else if (word == "hermes") {
      scale.hermes = true;
    } else if (word == "default" || word == "last_round" || word == "all") {
      if (!first) refuse(text, fmt::format("{} must come first", word));
      scale.base = word == "all"          ? LossScale::Base::all
                   : word == "last_round" ? LossScale::Base::last_round
                                          : LossScale::Base::every_turn;
    } else {
      refuse(text, word == text ? std::string("unknown") : fmt::format("\"{}\" is unknown", word));
    }
  }
  return scale;
}

std::string name_of(const LossScale& scale) {
  std::string name = scale.base == LossScale::Base::all          ? "all"
                     : scale.base == LossScale::Base::last_round ? "last_round"
                                                                 : "default";
  if (scale.ignore_empty_think) name += "+ignore_empty_think";
  if (scale.hermes) name += "+hermes";
  return name;
}

}  // namespace longhaul
