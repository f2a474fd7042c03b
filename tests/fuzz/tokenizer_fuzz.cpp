// The tokenizer of Qwen3: any text, any ids.
#include <cstring>
#include <memory>

#include "data/text/normalizer_nfc.h"
#include "data/text/utf8.h"
#include "data/tokenizer/tokenizer.h"
#include "fuzz_support.h"

using namespace longhaul;
using fuzz::require;

namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer loaded = [] {
    const char* const moved = std::getenv("LONGHAUL_FUZZ_TOKENIZER");
    return Tokenizer::load(moved != nullptr ? moved : LONGHAUL_FUZZ_TOKENIZER_DEFAULT);
  }();
  return loaded;
}

void check_text(std::string_view text) {
  static auto warm = std::make_unique<TokenizerScratch>();
  std::vector<std::int32_t> ids;
  tokenizer().encode(text, *warm, ids);
  for (const std::int32_t id : ids) {
    require(id >= 0 && id < tokenizer().size(), "ids are of the vocabulary");
  }
  std::vector<std::int32_t> again;
  tokenizer().encode(text, *warm, again);
  require(again == ids, "a word from the cache has the ids it had");
  require(ids.empty() == text.empty(), "a text has tokens, and no text has none");
  require(ids.size() <= 4 * text.size() + 1, "a token is a byte at least, but for normalization");

  const std::string decoded = tokenizer().decode(ids, SpecialTokens::keep);
  std::string storage;
  // Normal form is kept by any part of a text, so that cutting out added tokens changes nothing.
  if (normalize_nfc(text, storage) == text) {
    require(decoded == text, "decoding gives a text in normal form back");
  }
  const std::string without = tokenizer().decode(ids, SpecialTokens::skip);
  require(without.size() <= decoded.size(), "leaving tokens out makes no text longer");
}

/// Two bytes an id, and one that shifts it, so that all of the vocabulary is met, and what is not.
void check_ids(std::string_view bytes) {
  std::vector<std::int32_t> ids;
  while (bytes.size() >= 3) {
    std::int32_t id = 0;
    std::memcpy(&id, bytes.data(), 3);
    ids.push_back(id % 8 == 7 ? -id : id % (tokenizer().size() + 1000));
    bytes.remove_prefix(3);
  }
  for (const SpecialTokens special : {SpecialTokens::keep, SpecialTokens::skip}) {
    const std::string text = tokenizer().decode(ids, special);
    require(find_invalid_utf8(text) == std::string_view::npos, "decoded text is UTF-8");
  }
}

}  // namespace

/// libFuzzer calls this first: loading takes seconds, which are not those of an input.
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  return tokenizer().size() > 0 ? 0 : 1;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::as_text(data, size);
  check_text(utf8_lossy(bytes));
  check_ids(bytes);
  return 0;
}
