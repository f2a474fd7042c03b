#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/check/row_parts.h"

namespace longhaul {

struct PaintOptions {
  bool color = false;          // ANSI colours; else trained text stands between ⟦ and ⟧
  bool tokens = false;         // each token is followed by its id
  std::int64_t max_chars = 0;  // of a part without loss; more is folded; 0: no limit
};

struct PaintedRow {
  std::string text;  // ends with a newline
  std::int64_t folded_parts = 0;
  std::int64_t folded_characters = 0;
};

/// A row for reading in a terminal: text with loss in green (other weights than 1: yellow, with the
/// weight in front), added tokens dimmed. Control characters are spelled out.
PaintedRow paint_row(const Tokenizer& tokenizer, const EncodedSample& sample,
                     const PaintOptions& options);

/// How paint_row marks things, in one line.
std::string paint_legend(const PaintOptions& options);

}  // namespace longhaul
