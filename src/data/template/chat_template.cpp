#include "data/template/chat_template.h"

#include <array>

#include "core/error.h"
#include "core/file.h"
#include "core/sha256.h"
#include "data/json/json_parse.h"
#include "data/template/chat_template_qwen.h"
#include "data/template/chat_template_swift.h"

namespace longhaul {
namespace {

struct KnownTemplate {
  TemplateFamily family;
  std::string_view sha256;
  std::string_view used_by;
};

constexpr std::array<KnownTemplate, 4> kKnown{{
    {TemplateFamily::qwen25, "cd8e9439f0570856fd70470bf8889ebd8b5d1107207f67a5efb46e342330527f",
     "Qwen2.5 Instruct"},
    {TemplateFamily::qwen25_base,
     "44d5f08f3f72b837eaad09f13a54c1f9f4eb58d75240334548b7fd52a5437fa5", "Qwen2.5 base models"},
    {TemplateFamily::qwen3, "a55ee1b1660128b7098723e0abcd92caa0788061051c62d51cbe87d9cf1974d8",
     "Qwen3, current"},
    {TemplateFamily::qwen3_first,
     "87a2728cb8dc9fe424d624542f6060ec05a1d285ebbec578bb078900e33396b5", "Qwen3, first release"},
}};

std::string known_names() {
  std::string names;
  for (const KnownTemplate& known : kKnown) {
    names +=
        fmt::format("{}{} ({})", names.empty() ? "" : ", ", name_of(known.family), known.used_by);
  }
  return names;
}

/// `source` is where the template stands, for the message.
TemplateFamily recognize(std::string_view text, const std::string& source) {
  // Jinja drops one newline at the end of a template, so one more or less there means the same.
  std::string_view trimmed = text;
  if (!text.empty() && text.back() == '\n') trimmed.remove_suffix(1);
  const std::array<std::string, 2> hashes{sha256_hex(trimmed),
                                          sha256_hex(std::string(trimmed) + '\n')};
  for (const KnownTemplate& known : kKnown) {
    if (hashes[0] == known.sha256 || hashes[1] == known.sha256) return known.family;
  }
  user_error(
      "{}: this chat template is not known (SHA-256 {}…); known are {}. If one of them renders "
      "your rows the same, choose it with --chat_template",
      source, sha256_hex(text).substr(0, 12), known_names());
}

std::optional<std::string> template_in_config(const std::filesystem::path& path) {
  const JsonValue config = parse_json_file(path);
  const JsonValue& entry = config.get("chat_template");
  if (entry.is_string()) return entry.text();
  if (entry.is_array()) {
    for (const JsonValue& named : entry.array()) {
      if (named.get("name").is_string() && named.get("name").text() == "default" &&
          named.get("template").is_string()) {
        return named.get("template").text();
      }
    }
  }
  if (entry.is_absent()) return std::nullopt;
  user_error("{}: chat_template is {} without a template named \"default\"", path.string(),
             describe(entry.kind()));
}

TemplateFamily family_of_model_type(const std::filesystem::path& model_dir) {
  const std::filesystem::path path = model_dir / "config.json";
  if (!std::filesystem::exists(path)) {
    user_error(
        "{}: there is no chat_template.jinja, no chat_template in tokenizer_config.json and no "
        "config.json; give a complete model directory or choose with --chat_template: {}",
        model_dir.string(), known_names());
  }
  const JsonValue config = parse_json_file(path);
  const JsonValue& type = config.get("model_type");
  if (type.is_string() && type.text() == "qwen2") return TemplateFamily::qwen25;
  if (type.is_string() && type.text() == "qwen3") return TemplateFamily::qwen3;
  user_error(
      "{}: the directory has no chat template and model_type is {}, so none can be chosen; use "
      "--chat_template: {}",
      path.string(), type.is_string() ? type.text() : std::string(describe(type.kind())),
      known_names());
}

}  // namespace

std::unique_ptr<ChatTemplate> make_chat_template(const TemplateOptions& options) {
  const bool thinks =
      options.family == TemplateFamily::qwen3 || options.family == TemplateFamily::qwen3_first;
  if (!thinks && options.thinking != ThinkingPolicy::as_template) {
    user_error("--thinking {}: the template {} has no place for reasoning; leave the flag out",
               name_of(options.thinking), name_of(options.family));
  }
  if (options.mode != TemplateMode::hf) return make_swift_template(options, thinks);
  if (options.strict_parity) {
    user_error("--strict_parity true: only with --template_mode swift-3.13 or swift-3.7");
  }
  switch (options.family) {
    case TemplateFamily::qwen25:
      return make_qwen25_template(Qwen25Release::instruct);
    case TemplateFamily::qwen25_base:
      return make_qwen25_template(Qwen25Release::base);
    case TemplateFamily::qwen3:
      return make_qwen3_template(Qwen3Release::current, options.thinking);
    case TemplateFamily::qwen3_first:
      return make_qwen3_template(Qwen3Release::first, options.thinking);
  }
  LONGHAUL_CHECK(false, "unknown template");
  return nullptr;
}

TemplateMode parse_template_mode(std::string_view text) {
  return parse_choice("template_mode", text, kTemplateModes);
}

std::string_view name_of(TemplateMode mode) { return name_in(kTemplateModes, mode); }

std::optional<TemplateFamily> parse_template_family(std::string_view text) {
  if (text == "auto") return std::nullopt;
  return parse_choice("chat_template", text, kTemplateFamilies);
}

std::string_view name_of(TemplateFamily family) { return name_in(kTemplateFamilies, family); }

TemplateFamily detect_template(const std::filesystem::path& model_dir) {
  const std::filesystem::path jinja = model_dir / "chat_template.jinja";
  if (std::filesystem::exists(jinja)) return recognize(read_text_file(jinja), jinja.string());
  const std::filesystem::path config = model_dir / "tokenizer_config.json";
  if (std::filesystem::exists(config)) {
    if (const auto text = template_in_config(config)) return recognize(*text, config.string());
  }
  return family_of_model_type(model_dir);
}

}  // namespace longhaul
