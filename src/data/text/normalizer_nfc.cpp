#include "data/text/normalizer_nfc.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "data/text/unicode_class.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

struct CombiningClass {
  char32_t code_point;
  std::uint8_t value;
};
struct Decomposition {
  char32_t code_point;
  char32_t parts[4];  // full canonical decomposition in order, padded with 0
};
struct Composition {
  char32_t first;
  char32_t second;
  char32_t composed;
};

// All three are sorted.
#include "data/text/unicode_nfc_tables.inc"

// Hangul syllables are composed by arithmetic: The Unicode Standard, section 3.12.
constexpr char32_t kSyllableBase = 0xAC00;
constexpr char32_t kLeadBase = 0x1100;
constexpr char32_t kVowelBase = 0x1161;
constexpr char32_t kTailBase = 0x11A7;
constexpr char32_t kLeadCount = 19;
constexpr char32_t kVowelCount = 21;
constexpr char32_t kTailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

struct Mark {
  char32_t code_point;
  std::uint8_t combining_class;
};

std::uint8_t combining_class(char32_t c) {
  const auto* found = std::lower_bound(
      std::begin(kCombiningClasses), std::end(kCombiningClasses), c,
      [](const CombiningClass& entry, char32_t value) { return entry.code_point < value; });
  return found != std::end(kCombiningClasses) && found->code_point == c ? found->value : 0;
}

void decompose(char32_t c, std::vector<Mark>& out) {
  if (c - kSyllableBase < kSyllableCount) {
    const char32_t index = c - kSyllableBase;
    out.push_back({kLeadBase + index / (kVowelCount * kTailCount), 0});
    out.push_back({kVowelBase + index / kTailCount % kVowelCount, 0});
    if (index % kTailCount != 0) out.push_back({kTailBase + index % kTailCount, 0});
    return;
  }
  const auto* found = std::lower_bound(
      std::begin(kDecompositions), std::end(kDecompositions), c,
      [](const Decomposition& entry, char32_t value) { return entry.code_point < value; });
  if (found == std::end(kDecompositions) || found->code_point != c) {
    out.push_back({c, combining_class(c)});
    return;
  }
  for (const char32_t part : found->parts) {
    if (part != 0) out.push_back({part, combining_class(part)});
  }
}

/// The composition of two code points, or 0.
char32_t compose(char32_t a, char32_t b) {
  if (a - kLeadBase < kLeadCount && b - kVowelBase < kVowelCount) {
    return kSyllableBase + ((a - kLeadBase) * kVowelCount + (b - kVowelBase)) * kTailCount;
  }
  if (a - kSyllableBase < kSyllableCount && (a - kSyllableBase) % kTailCount == 0 &&
      b > kTailBase && b < kTailBase + kTailCount) {
    return a + (b - kTailBase);
  }
  const auto* found =
      std::lower_bound(std::begin(kCompositions), std::end(kCompositions), std::make_pair(a, b),
                       [](const Composition& entry, const std::pair<char32_t, char32_t>& value) {
                         return std::make_pair(entry.first, entry.second) < value;
                       });
  const bool match = found != std::end(kCompositions) && found->first == a && found->second == b;
  return match ? found->composed : 0;
}

/// Puts each run of marks (class above 0) in order of class; equal classes keep their order.
void sort_marks(std::vector<Mark>& text) {
  auto run = text.begin();
  while (run != text.end()) {
    if (run->combining_class == 0) {
      ++run;
      continue;
    }
    const auto end =
        std::find_if(run, text.end(), [](const Mark& m) { return m.combining_class == 0; });
    std::stable_sort(run, end, [](const Mark& a, const Mark& b) {
      return a.combining_class < b.combining_class;
    });
    run = end;
  }
}

/// The canonical composition algorithm (UAX #15), appended to `out` as UTF-8. Reuses `text`.
void compose_into(std::vector<Mark>& text, std::string& out) {
  std::size_t kept = 0;
  std::size_t starter = text.size();  // index among the kept, or text.size() for none yet
  for (const Mark mark : text) {
    if (starter != text.size()) {
      const bool adjacent = starter + 1 == kept;
      const bool blocked = !adjacent && text[kept - 1].combining_class >= mark.combining_class;
      if (!blocked) {
        if (const char32_t composed = compose(text[starter].code_point, mark.code_point)) {
          text[starter].code_point = composed;
          continue;
        }
      }
    }
    text[kept] = mark;
    if (mark.combining_class == 0) starter = kept;
    ++kept;
  }
  for (std::size_t i = 0; i < kept; ++i) append_utf8(out, text[i].code_point);
}

}  // namespace

std::string_view normalize_nfc(std::string_view text, std::string& storage) {
  const CharacterClasses& classes = character_classes();
  const auto plain = [&](char32_t c) { return (classes.of(c) & kNotPlainNfc) == 0; };
  bool changed = false;
  std::size_t copied = 0;    // text before this is in `storage`
  std::size_t previous = 0;  // start of the code point before `at`
  std::size_t at = 0;
  std::vector<Mark> run;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      previous = at++;
      continue;
    }
    const CodePoint c = decode_utf8(text, at);
    if (plain(c.value)) {
      previous = at;
      at += c.length;
      continue;
    }
    // From the last plain code point before it to the next plain one nothing else is involved.
    if (!changed) storage.clear();
    changed = true;
    const std::size_t begin = std::max(previous, copied);
    storage.append(text, copied, begin - copied);
    run.clear();
    std::size_t end = begin;
    while (end < text.size()) {
      const CodePoint next = decode_utf8(text, end);
      if (end > at && plain(next.value)) break;
      decompose(next.value, run);
      end += next.length;
    }
    sort_marks(run);
    compose_into(run, storage);
    copied = previous = at = end;
  }
  if (!changed) return text;
  storage.append(text, copied, text.size() - copied);
  return storage;
}

}  // namespace longhaul
