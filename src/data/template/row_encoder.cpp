#include "data/template/row_encoder.h"

#include <algorithm>

#include "core/error.h"
#include "core/sha256.h"

namespace longhaul {
namespace {

/// Goes up with every change of this module that changes what a row becomes.
constexpr int kEncodingVersion = 2;

}  // namespace

std::int64_t EncodedSample::trained_tokens() const {
  return std::count_if(weights.begin(), weights.end(), [](float w) { return w > 0.0F; });
}

RowEncoder RowEncoder::load(const std::filesystem::path& model_dir, const EncodeOptions& options) {
  const TemplateFamily family =
      options.template_family ? *options.template_family : detect_template(model_dir);
  return RowEncoder(Tokenizer::load(model_dir), family, options);
}

RowEncoder::RowEncoder(Tokenizer tokenizer, TemplateFamily family, const EncodeOptions& options)
    : tokenizer_(std::move(tokenizer)),
      family_(family),
      options_(options),
      template_(make_chat_template({.mode = options.template_mode,
                                    .family = family,
                                    .thinking = options.thinking,
                                    .loss_scale = options.loss_scale,
                                    .strict_parity = options.strict_parity})),
      policy_(options.loss_scale, options.template_mode, options.strict_parity),
      fingerprint_(sha256_hex(fmt::format(
          "rows {}\ntokenizer {}\ntemplate {} {}\nloss {}\nthinking {}\nstrict parity {}\n",
          kEncodingVersion, tokenizer_.content_hash(), name_of(options.template_mode),
          name_of(family), name_of(options.loss_scale), name_of(options.thinking),
          options.strict_parity))) {}

RowForm RowEncoder::row_form() const {
  switch (options_.template_mode) {
    case TemplateMode::swift_3_13:
    case TemplateMode::swift_3_7:
      return options_.strict_parity ? RowForm::swift_strict : RowForm::swift;
    case TemplateMode::hf:
      break;
  }
  return RowForm::training;
}

RenderedRow RowEncoder::render(const Row& row) const {
  RenderedRow rendered = template_->render(row);
  policy_.apply(row, rendered);
  if (!rendered.note.empty()) {
    rendered.note =
        fmt::format("kept, but {} drops it: {}", name_of(options_.template_mode), rendered.note);
  }
  return rendered;
}

EncodedSample RowEncoder::encode(const RenderedRow& rendered, Scratch& scratch) const {
  EncodedSample sample;
  sample.note = rendered.note;
  sample.tokens.reserve(rendered.text.size() / 3);
  sample.weights.reserve(rendered.text.size() / 3);
  const std::string_view text = rendered.text;
  for (const Piece& piece : rendered.pieces) {
    tokenizer_.encode(text.substr(piece.begin, piece.end - piece.begin), scratch, sample.tokens);
    sample.weights.resize(sample.tokens.size(), piece.weight);
  }
  if (!sample.weights.empty()) sample.weights[0] = 0.0F;
  return sample;
}

EncodedSample RowEncoder::encode(const Row& row, Scratch& scratch) const {
  return encode(render(row), scratch);
}

}  // namespace longhaul
