#include "app/data/row_painter.h"

#include <fmt/format.h>

#include <string_view>

#include "data/text/visible_text.h"

namespace longhaul {
namespace {

constexpr std::string_view kDim = "2";
constexpr std::string_view kTrained = "32";
constexpr std::string_view kTrainedDim = "2;32";
constexpr std::string_view kWeighted = "33";
constexpr std::string_view kWeightedDim = "2;33";

std::string_view style_of(const RowPart& part) {
  if (part.weight == 0.0F) return part.added ? kDim : std::string_view();
  if (part.weight == 1.0F) return part.added ? kTrainedDim : kTrained;
  return part.added ? kWeightedDim : kWeighted;
}

class Painter {
 public:
  Painter(const Tokenizer& tokenizer, const EncodedSample& sample, const PaintOptions& options)
      : tokenizer_(tokenizer), sample_(sample), options_(options) {}

  PaintedRow paint() {
    const std::vector<RowPart> parts = split_into_parts(tokenizer_, sample_);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool begins = i == 0 || parts[i - 1].weight != parts[i].weight;
      const bool ends = i + 1 == parts.size() || parts[i + 1].weight != parts[i].weight;
      if (begins) open(parts[i]);
      if (options_.tokens) {
        paint_tokens(parts[i]);
      } else {
        paint_text(parts[i], ends);
      }
      if (ends) close(parts[i]);
    }
    if (!result_.text.ends_with('\n')) result_.text += '\n';
    return std::move(result_);
  }

 private:
  /// Writes visible text. A style begins anew on each line, as pagers show lines one by one.
  void write(std::string_view text, std::string_view style) {
    if (!options_.color || style.empty()) {
      result_.text += text;
      return;
    }
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      if (end > 0) result_.text += fmt::format("\033[{}m{}\033[0m", style, text.substr(0, end));
      if (end < text.size()) result_.text += '\n';
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  void open(const RowPart& part) {
    if (part.weight == 0.0F) return;
    if (!options_.color) result_.text += "⟦";
    if (part.weight != 1.0F) write(fmt::format("×{} ", part.weight), kWeightedDim);
  }
  void close(const RowPart& part) {
    if (part.weight != 0.0F && !options_.color) result_.text += "⟧";
  }

  void fold(std::int64_t characters) {
    ++result_.folded_parts;
    result_.folded_characters += characters;
    write(fmt::format("[… {} characters are not shown …]", characters), kDim);
  }

  /// ends: the part is the last one of its weight.
  void paint_text(const RowPart& part, bool ends) {
    const std::string bytes = text_of(tokenizer_, sample_, part);
    const std::int64_t characters = count_characters(bytes);
    const bool folds = foldable(part) && characters > options_.max_chars;
    const std::int64_t tail = options_.max_chars / 4;
    const std::size_t head_end =
        folds ? character_offset(bytes, options_.max_chars - tail) : bytes.size();
    std::string shown;
    append_visible(shown, std::string_view(bytes).substr(0, head_end), Visible::lines);
    // Colour does not show on a newline.
    if (options_.color && part.weight != 0.0F && ends) mark_last_newlines(shown);
    write(shown, style_of(part));
    if (!folds) return;
    fold(characters - options_.max_chars);
    shown.clear();
    append_visible(shown,
                   std::string_view(bytes).substr(character_offset(bytes, characters - tail)),
                   Visible::lines);
    write(shown, style_of(part));
  }

  static void mark_last_newlines(std::string& text) {
    std::size_t begin = text.size();
    while (begin > 0 && text[begin - 1] == '\n') --begin;
    std::string marked;
    for (std::size_t i = begin; i < text.size(); ++i) marked += "↵\n";
    text.replace(begin, std::string::npos, marked);
  }

  void paint_tokens(const RowPart& part) {
    std::int64_t characters = 0;
    for (std::size_t i = part.first; i < part.first + part.count; ++i) {
      characters += characters_of(i);
    }
    const bool folds = foldable(part) && characters > options_.max_chars;
    const std::int64_t tail = options_.max_chars / 4;
    std::int64_t at = 0;
    std::int64_t hidden = 0;
    for (std::size_t i = part.first; i < part.first + part.count; ++i) {
      const std::int64_t begin = at;
      at += characters_of(i);
      if (folds && begin >= options_.max_chars - tail && at <= characters - tail) {
        hidden += at - begin;
        continue;
      }
      if (hidden > 0) fold(std::exchange(hidden, 0));
      paint_token(i, style_of(part));
    }
    if (hidden > 0) fold(hidden);
  }

  void paint_token(std::size_t index, std::string_view style) {
    const std::string_view bytes = tokenizer_.token_bytes(sample_.tokens[index]);
    std::string shown;
    append_visible(shown, bytes, Visible::marks);
    write(shown, style);
    write(fmt::format("‹{}›", sample_.tokens[index]), kDim);
    if (bytes.find('\n') != std::string_view::npos) result_.text += '\n';
  }

  [[nodiscard]] bool foldable(const RowPart& part) const {
    return options_.max_chars > 0 && part.weight == 0.0F;
  }
  [[nodiscard]] std::int64_t characters_of(std::size_t index) const {
    return count_characters(tokenizer_.token_bytes(sample_.tokens[index]));
  }

  const Tokenizer& tokenizer_;
  const EncodedSample& sample_;
  const PaintOptions& options_;
  PaintedRow result_;
};

}  // namespace

PaintedRow paint_row(const Tokenizer& tokenizer, const EncodedSample& sample,
                     const PaintOptions& options) {
  return Painter(tokenizer, sample, options).paint();
}

std::string paint_legend(const PaintOptions& options) {
  std::string legend =
      options.color
          ? "\033[32mtrained\033[0m, \033[33m×0.5 trained with another weight than 1\033[0m, "
            "\033[2madded tokens\033[0m"
          : "⟦trained⟧, ⟦×0.5 trained with another weight than 1⟧";
  if (options.tokens) legend += options.color ? ", \033[2m‹token id›\033[0m" : ", ‹token id›";
  return legend;
}

}  // namespace longhaul
