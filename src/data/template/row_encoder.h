#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/rows/row.h"
#include "data/rows/row_parse.h"
#include "data/template/chat_template.h"
#include "data/template/loss_policy.h"
#include "data/tokenizer/tokenizer.h"

namespace longhaul {

struct EncodeOptions {
  TemplateMode template_mode = TemplateMode::hf;
  LossScale loss_scale;
  /// The published template to render; unset: the one that the model directory names.
  std::optional<TemplateFamily> template_family;
  ThinkingPolicy thinking = ThinkingPolicy::as_template;
  /// Swift dialects: what that stack drops is dropped, what it overlooks is overlooked.
  bool strict_parity = false;
};

/// A row as the model sees it; both vectors have the same length.
struct EncodedSample {
  std::vector<std::int32_t> tokens;
  std::vector<float> weights;  // [i]: loss weight of predicting tokens[i]; weights[0] is 0
  std::string note;            // what a user should know of this row; mostly empty

  /// How many tokens carry loss. A sample with none cannot train anything.
  [[nodiscard]] std::int64_t trained_tokens() const;
};

/// Rows to tokens: template, loss policy and tokenizer of one model. Immutable, shared between
/// threads, each with its own Scratch.
class RowEncoder {
 public:
  using Scratch = TokenizerScratch;

  /// Reads tokenizer.json and finds the template. Throws UserError for bad files.
  static RowEncoder load(const std::filesystem::path& model_dir, const EncodeOptions& options);
  RowEncoder(Tokenizer tokenizer, TemplateFamily family, const EncodeOptions& options);

  /// The row's text and pieces, with weights. Throws RowError when the template refuses the row.
  [[nodiscard]] RenderedRow render(const Row& row) const;
  /// The tokens of render()'s pieces, each tokenized by itself.
  [[nodiscard]] EncodedSample encode(const RenderedRow& rendered, Scratch& scratch) const;
  [[nodiscard]] EncodedSample encode(const Row& row, Scratch& scratch) const;

  [[nodiscard]] const Tokenizer& tokenizer() const { return tokenizer_; }
  [[nodiscard]] TemplateFamily template_family() const { return family_; }
  /// How training rows must be parsed for this template dialect.
  [[nodiscard]] RowForm row_form() const;
  /// Changes whenever the ids or weights of some row could change: a hash of the tokenizer's bytes,
  /// the template, the loss settings and a version of this code. 64 hexadecimal digits.
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }

 private:
  Tokenizer tokenizer_;
  TemplateFamily family_;
  EncodeOptions options_;
  std::unique_ptr<ChatTemplate> template_;
  LossPolicy policy_;
  std::string fingerprint_;
};

}  // namespace longhaul
