#include "data/template/loss_policy.h"

#include "data/json/python_text.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

using Base = LossScale::Base;
using Kind = Piece::Kind;

struct Span {
  std::size_t begin = std::string_view::npos;
  std::size_t end = 0;
};

/// The first match of <think>\s*</think>\s* at or after `from`.
Span find_empty_think(std::string_view text, std::size_t from) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  const auto skip_space = [&](std::size_t at) {
    while (at < text.size()) {
      const std::size_t length = python_space_length(text, at);
      if (length == 0) break;
      at += length;
    }
    return at;
  };
  for (std::size_t at = text.find(kOpen, from); at != std::string_view::npos;
       at = text.find(kOpen, at + 1)) {
    const std::size_t close = skip_space(at + kOpen.size());
    if (text.substr(close, kClose.size()) == kClose) {
      return {at, skip_space(close + kClose.size())};
    }
  }
  return {};
}

/// The first match of <tool_call>.+?</tool_call>, where "." is any character.
Span find_tool_call(std::string_view text, std::size_t from) {
  constexpr std::string_view kOpen = "<tool_call>";
  constexpr std::string_view kClose = "</tool_call>";
  const std::size_t begin = text.find(kOpen, from);
  if (begin == std::string_view::npos) return {};
  const std::size_t inside = begin + kOpen.size();
  if (inside >= text.size()) return {};
  const std::size_t close = text.find(kClose, inside + decode_utf8(text, inside).length);
  if (close == std::string_view::npos) return {};
  return {begin, close + kClose.size()};
}

/// Gives every match inside the pieces for which `applies` holds the weight `weight`.
template <typename Find, typename Applies>
void reweigh(const std::string& text, std::vector<Piece>& pieces, const Find& find, float weight,
             const Applies& applies) {
  std::vector<Piece> result;
  result.reserve(pieces.size());
  for (const Piece& piece : pieces) {
    if (!applies(piece)) {
      result.push_back(piece);
      continue;
    }
    const std::string_view part(text.data() + piece.begin, piece.end - piece.begin);
    std::size_t at = 0;
    const auto add = [&](std::size_t begin, std::size_t end, float its_weight) {
      if (begin == end) return;
      Piece added = piece;
      added.begin = piece.begin + begin;
      added.end = piece.begin + end;
      added.weight = its_weight;
      result.push_back(added);
    };
    while (at < part.size()) {
      const Span match = find(part, at);
      if (match.begin == std::string_view::npos) break;
      add(at, match.begin, piece.weight);
      add(match.begin, match.end, weight);
      at = match.end;
    }
    add(at, part.size(), piece.weight);
  }
  pieces = std::move(result);
}

void join_equal_neighbours(std::vector<Piece>& pieces) {
  std::vector<Piece> joined;
  for (const Piece& piece : pieces) {
    if (joined.empty() || joined.back().weight != piece.weight) {
      joined.push_back(piece);
      continue;
    }
    Piece& last = joined.back();
    last.end = piece.end;
    if (last.kind != piece.kind) last.kind = last.weight == 0.0F ? Kind::context : Kind::output;
    if (last.message < 0) last.message = piece.message;
  }
  pieces = std::move(joined);
}

}  // namespace

const std::optional<float>& LossPolicy::loss_of(const Row& row, const Piece& piece) const {
  static const std::optional<float> kNone;
  if (piece.message < 0 || (strict_parity_ && mode_ == TemplateMode::swift_3_7)) return kNone;
  return row.messages[static_cast<std::size_t>(piece.message)].loss;
}

float LossPolicy::base_weight(const Row& row, const Piece& piece) const {
  // To ms-swift the end of a turn is text like any other when all of it is trained on.
  const bool follows_turn =
      piece.kind == Kind::output ||
      (piece.kind == Kind::turn_end && (mode_ == TemplateMode::hf || scale_.base != Base::all));
  if (!follows_turn) return scale_.base == Base::all ? 1.0F : 0.0F;
  if (const std::optional<float>& loss = loss_of(row, piece)) return *loss;
  return scale_.base == Base::last_round && !piece.last_round ? 0.0F : 1.0F;
}

/// The swift dialects take the end of a turn into the loss by what surrounds it: the end of the
/// conversation always, another one only after text with loss, and in 3.7 only when text with loss
/// follows, too.
void LossPolicy::weigh_turn_ends(const Row& row, std::vector<Piece>& pieces) const {
  std::size_t last_trained = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const bool end = pieces[i].kind == Kind::turn_end && i + 1 < pieces.size();
    if (!end && pieces[i].weight > 0.0F) last_trained = i;
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].kind != Kind::turn_end || scale_.base == Base::all) continue;
    if (i + 1 == pieces.size()) {
      pieces[i].weight = 1.0F;
      continue;
    }
    const bool follows = i > 0 && pieces[i - 1].weight > 0.0F;
    const bool precedes = mode_ == TemplateMode::swift_3_13 || last_trained > i;
    pieces[i].weight = follows && precedes ? loss_of(row, pieces[i]).value_or(1.0F) : 0.0F;
  }
}

void LossPolicy::apply(const Row& row, RenderedRow& rendered) const {
  std::vector<Piece>& pieces = rendered.pieces;
  for (Piece& piece : pieces) piece.weight = base_weight(row, piece);
  // In 3.13 "all" makes every text a candidate for the modifiers, in the others only answers are.
  const bool any_text = mode_ == TemplateMode::swift_3_13 && scale_.base == Base::all;
  const auto applies = [&](const Piece& piece) {
    return (any_text || piece.kind == Kind::output) && piece.weight == 1.0F &&
           !loss_of(row, piece).has_value();
  };
  if (scale_.ignore_empty_think) reweigh(rendered.text, pieces, find_empty_think, 0.0F, applies);
  if (scale_.hermes) reweigh(rendered.text, pieces, find_tool_call, 2.0F, applies);
  if (mode_ == TemplateMode::hf) return;
  weigh_turn_ends(row, pieces);
  join_equal_neighbours(pieces);
}

}  // namespace longhaul
