#pragma once

#include <cstddef>
#include <string_view>

namespace longhaul {

class CharacterClasses;

/// Cuts text into words exactly as the regular expression of the Qwen tokenizers does (with the
/// regex engine's leftmost alternative first), without a regex engine. Every byte belongs to one
/// word.
class PreTokenizer {
 public:
  /// The one pattern that this class implements, as tokenizer.json spells it.
  static constexpr std::string_view kPattern =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

  PreTokenizer();

  /// The end of the word that starts at text[begin], begin < text.size(). text: valid UTF-8.
  [[nodiscard]] std::size_t word_end(std::string_view text, std::size_t begin) const;

 private:
  struct Char;
  [[nodiscard]] Char at(std::string_view text, std::size_t position) const;
  [[nodiscard]] std::size_t skip_letters(std::string_view text, std::size_t position) const;
  [[nodiscard]] std::size_t symbols_end(std::string_view text, std::size_t position) const;
  [[nodiscard]] std::size_t space_end(std::string_view text, std::size_t begin) const;

  const CharacterClasses* classes_;
};

}  // namespace longhaul
