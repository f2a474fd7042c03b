#include "data/tokenizer/tokenizer.h"

#include "data/text/normalizer_nfc.h"
#include "data/text/utf8.h"
#include "data/tokenizer/tokenizer_file.h"

namespace longhaul {

Tokenizer Tokenizer::load(const std::filesystem::path& directory) {
  return Tokenizer(read_tokenizer_file(directory / "tokenizer.json"));
}

Tokenizer::Tokenizer(Parts parts)
    : bpe_(parts.byte_ids, parts.merges),
      added_(std::move(parts.added)),
      token_bytes_(std::move(parts.token_bytes)),
      special_(token_bytes_.size(), false),
      content_hash_(std::move(parts.content_hash)) {
  for (const AddedToken& token : added_.tokens()) {
    special_[static_cast<std::size_t>(token.id)] = token.special;
  }
}

void Tokenizer::encode(std::string_view text, TokenizerScratch& scratch,
                       std::vector<std::int32_t>& ids) const {
  std::size_t at = 0;
  while (at < text.size()) {
    const AddedTokens::Match match = added_.find(text, at);
    const std::size_t end = std::min(match.begin, text.size());
    if (end > at) {
      encode_plain(normalize_nfc(text.substr(at, end - at), scratch.normalized), scratch, ids);
    }
    if (match.id < 0) break;
    ids.push_back(match.id);
    at = match.end;
  }
}

void Tokenizer::encode_plain(std::string_view text, TokenizerScratch& scratch,
                             std::vector<std::int32_t>& ids) const {
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = pre_tokenizer_.word_end(text, begin);
    const std::string_view word = text.substr(begin, end - begin);
    begin = end;
    if (word.size() > WordCache::kMaxBytes) {
      bpe_.encode(word, scratch.bpe, ids);
      continue;
    }
    const WordCache::Key key = WordCache::key_of(word);
    WordCache::Entry& entry = scratch.words.place(key);
    if (entry.key == key) {
      ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
      continue;
    }
    const std::size_t before = ids.size();
    bpe_.encode(word, scratch.bpe, ids);
    WordCache::fill(entry, key, ids.data() + before, ids.size() - before);
  }
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, SpecialTokens special) const {
  std::string bytes;
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= size()) continue;
    const auto index = static_cast<std::size_t>(id);
    if (special == SpecialTokens::skip && special_[index]) continue;
    bytes += token_bytes_[index];
  }
  return utf8_lossy(bytes);
}

std::string_view Tokenizer::token_bytes(std::int32_t id) const {
  if (id < 0 || id >= size()) return {};
  return token_bytes_[static_cast<std::size_t>(id)];
}

}  // namespace longhaul
