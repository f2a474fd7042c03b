#include "data/tokenizer/tokenizer_file.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "core/file.h"
#include "core/sha256.h"
#include "data/json/json_builder.h"
#include "data/json/json_parse.h"
#include "data/json/json_print.h"
#include "data/text/utf8.h"
#include "data/tokenizer/byte_level.h"

namespace longhaul {
namespace {

/// Parses the file; the two large tables of the model go into plain vectors, which is several times
/// faster than a JsonValue with 300,000 members.
class FileParser {
 public:
  std::vector<std::pair<std::string, std::int64_t>> vocab;
  std::vector<std::pair<std::string, std::string>> merges;

  [[nodiscard]] const std::string& error() const {
    return error_.empty() ? builder_.error() : error_;
  }
  [[nodiscard]] JsonValue& result() { return builder_.result(); }

  bool null() { return section_ == Section::other ? builder_.null() : unexpected(); }
  bool boolean(bool value) {
    return section_ == Section::other ? builder_.boolean(value) : unexpected();
  }
  bool number_integer(std::int64_t value) {
    if (section_ == Section::other) return builder_.number_integer(value);
    return unexpected();  // only negative numbers come here
  }
  bool number_unsigned(std::uint64_t value) {
    if (section_ == Section::other) return builder_.number_unsigned(value);
    if (section_ != Section::vocab) return unexpected();
    vocab.emplace_back(std::move(key_),
                       static_cast<std::int64_t>(std::min<std::uint64_t>(value, Bpe::kMaxTokens)));
    return true;
  }
  bool number_float(double value, const std::string& raw) {
    return section_ == Section::other ? builder_.number_float(value, raw) : unexpected();
  }
  bool string(std::string& text);
  static bool binary(std::vector<std::uint8_t>& /*bytes*/) { return false; }
  bool start_object(std::size_t size);
  bool start_array(std::size_t size);
  bool key(std::string& name);
  bool end_object();
  bool end_array();
  bool parse_error(std::size_t byte, const std::string& token,
                   const nlohmann::json::exception& error) {
    return builder_.parse_error(byte, token, error);
  }

 private:
  enum class Section { other, vocab, merges, merge };

  bool unexpected() {
    error_ = section_ == Section::vocab ? "model.vocab must map every token to its number"
                                        : "model.merges must be a list of pairs of tokens";
    return false;
  }

  JsonBuilder builder_;
  Section section_ = Section::other;
  bool in_model_ = false;  // inside the root's member "model"
  std::string key_;
  std::vector<std::string> pair_;
  std::string error_;
};

bool FileParser::string(std::string& text) {
  switch (section_) {
    case Section::other:
      return builder_.string(text);
    case Section::merge:
      pair_.push_back(std::move(text));
      return true;
    case Section::merges: {
      const std::size_t space = text.find(' ');
      if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
        return unexpected();
      }
      merges.emplace_back(text.substr(0, space), text.substr(space + 1));
      return true;
    }
    case Section::vocab:
      break;
  }
  return unexpected();
}

bool FileParser::start_object(std::size_t size) {
  if (section_ != Section::other) return unexpected();
  if (in_model_ && builder_.depth() == 2 && key_ == "vocab") {
    section_ = Section::vocab;
    return true;
  }
  in_model_ = in_model_ || (builder_.depth() == 1 && key_ == "model");
  return builder_.start_object(size);
}

bool FileParser::start_array(std::size_t size) {
  if (section_ == Section::merges) {
    section_ = Section::merge;
    pair_.clear();
    return true;
  }
  if (section_ != Section::other) return unexpected();
  if (in_model_ && builder_.depth() == 2 && key_ == "merges") {
    section_ = Section::merges;
    return true;
  }
  return builder_.start_array(size);
}

bool FileParser::key(std::string& name) {
  key_ = name;
  return section_ == Section::vocab || builder_.key(name);
}

bool FileParser::end_object() {
  if (section_ == Section::vocab) {
    section_ = Section::other;
    return builder_.number_unsigned(vocab.size());  // stands for the table
  }
  if (builder_.depth() == 2) in_model_ = false;
  return builder_.end_object();
}

bool FileParser::end_array() {
  if (section_ == Section::merge) {
    section_ = Section::merges;
    if (pair_.size() != 2) return unexpected();
    merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
    return true;
  }
  if (section_ == Section::merges) {
    section_ = Section::other;
    return builder_.number_unsigned(merges.size());
  }
  return builder_.end_array();
}

/// Turns the parsed file into Parts and throws UserError for what is not supported.
class Checker {
 public:
  Checker(const std::filesystem::path& path, FileParser& file) : path_(path), file_(file) {}
  Tokenizer::Parts run();

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    user_error(
        "{}: {}; only byte-level BPE tokenizers of the form that Qwen2.5 and Qwen3 ship are "
        "supported, so take tokenizer.json from the model's own directory",
        path_.string(), what);
  }
  static std::string shown(const JsonValue& value) {
    return value.is_undefined() ? "missing" : to_json(value);
  }
  /// `value` must be the string `expected`.
  void require(const JsonValue& value, std::string_view name, std::string_view expected) const {
    if (value.is_string() && value.text() == expected) return;
    refuse(fmt::format("{} is {}, expected \"{}\"", name, shown(value), expected));
  }
  /// `value` must be false, null, "" or missing.
  void require_off(const JsonValue& value, std::string_view name) const {
    if (value.truthy()) refuse(fmt::format("{} is {}, which is not supported", name, shown(value)));
  }
  void check_stages(const JsonValue& root) const;
  void check_model(const JsonValue& model) const;
  void read_vocab(Tokenizer::Parts& parts);
  void read_merges(Tokenizer::Parts& parts) const;
  void read_added(const JsonValue& added, Tokenizer::Parts& parts) const;
  void place_token(Tokenizer::Parts& parts, std::int64_t id, std::string_view content) const;
  [[nodiscard]] std::int32_t id_of(const std::string& token, std::size_t merge) const;

  const std::filesystem::path& path_;
  FileParser& file_;
  ByteLevelAlphabet alphabet_;
  std::unordered_map<std::string_view, std::int32_t> ids_;
};

void Checker::check_stages(const JsonValue& root) const {
  require(root.get("normalizer").get("type"), "normalizer.type", "NFC");
  const JsonValue& pre = root.get("pre_tokenizer");
  require(pre.get("type"), "pre_tokenizer.type", "Sequence");
  const JsonValue& stages = pre.get("pretokenizers");
  if (!stages.is_array() || stages.array().size() != 2) {
    refuse("pre_tokenizer.pretokenizers is not a list of a Split and a ByteLevel stage");
  }
  const JsonValue& split = stages.array()[0];
  require(split.get("type"), "pre_tokenizer.pretokenizers[0].type", "Split");
  require(split.get("pattern").get("Regex"), "the pattern of the Split pre-tokenizer",
          PreTokenizer::kPattern);
  require(split.get("behavior"), "the behavior of the Split pre-tokenizer", "Isolated");
  require_off(split.get("invert"), "invert of the Split pre-tokenizer");
  const JsonValue& bytes = stages.array()[1];
  require(bytes.get("type"), "pre_tokenizer.pretokenizers[1].type", "ByteLevel");
  require_off(bytes.get("add_prefix_space"), "add_prefix_space of the ByteLevel pre-tokenizer");
  if (!bytes.get("use_regex").is_boolean() || bytes.get("use_regex").boolean()) {
    refuse("use_regex of the ByteLevel pre-tokenizer is not false");
  }
  require(root.get("decoder").get("type"), "decoder.type", "ByteLevel");
  if (const JsonValue& post = root.get("post_processor"); !post.is_absent()) {
    require(post.get("type"), "post_processor.type", "ByteLevel");
  }
}

void Checker::check_model(const JsonValue& model) const {
  require(model.get("type"), "model.type", "BPE");
  for (const std::string_view name :
       {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
        "byte_fallback", "ignore_merges"}) {
    require_off(model.get(name), fmt::format("model.{}", name));
  }
  if (file_.vocab.empty()) refuse("model.vocab is missing or empty");
  if (model.get("merges").is_undefined()) refuse("model.merges is missing");
}

void Checker::place_token(Tokenizer::Parts& parts, std::int64_t id,
                          std::string_view content) const {
  if (id < 0 || id >= Bpe::kMaxTokens) {
    refuse(fmt::format("the number of token \"{}\" is not below {}", content, Bpe::kMaxTokens));
  }
  const auto index = static_cast<std::size_t>(id);
  if (index >= parts.token_bytes.size()) parts.token_bytes.resize(index + 1);
  std::string bytes;
  if (!alphabet_.append_bytes(bytes, content)) bytes = content;
  std::string& place = parts.token_bytes[index];
  if (!place.empty() && place != bytes) {
    refuse(fmt::format("two tokens have the number {}, one of them \"{}\"", id, content));
  }
  place = std::move(bytes);
}

void Checker::read_vocab(Tokenizer::Parts& parts) {
  parts.token_bytes.reserve(file_.vocab.size() + 512);
  ids_.reserve(file_.vocab.size());
  for (const auto& [token, id] : file_.vocab) {
    if (token.empty()) refuse("model.vocab has an empty token");
    place_token(parts, id, token);
    if (!ids_.emplace(token, static_cast<std::int32_t>(id)).second) {
      refuse(fmt::format("token \"{}\" is twice in model.vocab", token));
    }
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string spelled;
    append_utf8(spelled, alphabet_.character_of(static_cast<unsigned char>(byte)));
    const auto found = ids_.find(spelled);
    if (found == ids_.end()) {
      refuse(fmt::format("model.vocab is not byte-level: it has no token \"{}\" for byte 0x{:02X}",
                         spelled, byte));
    }
    parts.byte_ids[byte] = found->second;
  }
}

std::int32_t Checker::id_of(const std::string& token, std::size_t merge) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) {
    refuse(fmt::format("model.merges[{}] needs the token \"{}\", which model.vocab lacks", merge,
                       token));
  }
  return found->second;
}

void Checker::read_merges(Tokenizer::Parts& parts) const {
  parts.merges.reserve(file_.merges.size());
  std::vector<std::uint64_t> pairs;
  pairs.reserve(file_.merges.size());
  for (std::size_t i = 0; i < file_.merges.size(); ++i) {
    const auto& [left, right] = file_.merges[i];
    const Bpe::Merge merge{id_of(left, i), id_of(right, i), id_of(left + right, i)};
    pairs.push_back((static_cast<std::uint64_t>(merge.left) << 32) |
                    static_cast<std::uint64_t>(merge.right));
    parts.merges.push_back(merge);
  }
  std::sort(pairs.begin(), pairs.end());
  if (std::adjacent_find(pairs.begin(), pairs.end()) != pairs.end()) {
    refuse("model.merges has one pair twice");
  }
}

void Checker::read_added(const JsonValue& added, Tokenizer::Parts& parts) const {
  if (added.is_absent()) return;
  if (!added.is_array()) refuse("added_tokens is not a list");
  std::unordered_map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < added.array().size(); ++i) {
    const JsonValue& entry = added.array()[i];
    const JsonValue& content = entry.get("content");
    const JsonValue& id = entry.get("id");
    if (!content.is_string() || content.text().empty() || id.kind() != JsonValue::Kind::integer) {
      refuse(fmt::format("added_tokens[{}] needs an id and a content", i));
    }
    for (const std::string_view flag : {"single_word", "lstrip", "rstrip", "normalized"}) {
      require_off(entry.get(flag), fmt::format("{} of added token \"{}\"", flag, content.text()));
    }
    if (!seen.emplace(content.text(), i).second) {
      refuse(fmt::format("added token \"{}\" is listed twice", content.text()));
    }
    const double number = id.number();
    if (!(number >= 0 && number < Bpe::kMaxTokens)) {
      refuse(fmt::format("the number of added token \"{}\" is not below {}", content.text(),
                         Bpe::kMaxTokens));
    }
    place_token(parts, static_cast<std::int64_t>(number), content.text());
    parts.added.push_back(
        {static_cast<std::int32_t>(number), content.text(), entry.get("special").truthy()});
  }
}

Tokenizer::Parts Checker::run() {
  const JsonValue& root = file_.result();
  if (!root.is_object()) refuse("the file is not a JSON object");
  if (!root.get("model").is_object()) refuse("\"model\" is missing");
  check_model(root.get("model"));
  check_stages(root);
  Tokenizer::Parts parts;
  read_vocab(parts);
  read_merges(parts);
  read_added(root.get("added_tokens"), parts);
  return parts;
}

}  // namespace

Tokenizer::Parts read_tokenizer_file(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  FileParser file;
  const bool good = nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &file);
  if (!good || !file.error().empty()) {
    user_error("{}: not a tokenizer file: {}; download the file again", path.string(),
               file.error());
  }
  Tokenizer::Parts parts = Checker(path, file).run();
  parts.content_hash = sha256_hex(text);
  return parts;
}

}  // namespace longhaul
