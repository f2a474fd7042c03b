#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/word_cache.h"

namespace longhaul {

enum class SpecialTokens : std::uint8_t { keep, skip };

/// What one thread needs while it tokenizes; costs 2 MiB and warms up, so keep it.
struct TokenizerScratch {
  WordCache words;
  BpeScratch bpe;
  std::string normalized;
};

/// A byte-level BPE tokenizer of the Qwen kind with the ids of Hugging Face tokenizers: added
/// tokens are cut out of the raw text, the rest is put in NFC (Unicode 9), cut into words and
/// merged. Adds no tokens of its own at the ends. Immutable: any number of threads may share one,
/// each with its own TokenizerScratch.
class Tokenizer {
 public:
  struct Parts {
    std::array<std::int32_t, 256> byte_ids{};
    std::vector<Bpe::Merge> merges;
    std::vector<std::string> token_bytes;  // [id] the bytes of a token; empty where there is none
    std::vector<AddedToken> added;
    std::string content_hash;  // SHA-256 of the file
  };

  /// Reads DIR/tokenizer.json. Throws UserError, naming the file and what differs, when it is
  /// anything but what this class implements.
  static Tokenizer load(const std::filesystem::path& directory);
  explicit Tokenizer(Parts parts);

  /// Appends the ids of `text` (valid UTF-8) to `ids`.
  void encode(std::string_view text, TokenizerScratch& scratch,
              std::vector<std::int32_t>& ids) const;

  /// The text of `ids`: ids without a token are left out, bytes that are not UTF-8 become U+FFFD.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, SpecialTokens special) const;

  [[nodiscard]] const std::vector<AddedToken>& added_tokens() const { return added_.tokens(); }
  /// What a token stands for, which need not be whole characters; empty for an id without a token.
  [[nodiscard]] std::string_view token_bytes(std::int32_t id) const;
  /// One more than the largest id.
  [[nodiscard]] std::int32_t size() const { return static_cast<std::int32_t>(token_bytes_.size()); }
  [[nodiscard]] const std::string& content_hash() const { return content_hash_; }

 private:
  void encode_plain(std::string_view text, TokenizerScratch& scratch,
                    std::vector<std::int32_t>& ids) const;

  Bpe bpe_;
  PreTokenizer pre_tokenizer_;
  AddedTokens added_;
  std::vector<std::string> token_bytes_;
  std::vector<bool> special_;  // [id]
  std::string content_hash_;
};

}  // namespace longhaul
