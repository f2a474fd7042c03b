#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace longhaul {

/// Remembers the tokens of words seen before. A fixed table of cache lines: a word that hashes to
/// another's place replaces it, so memory is bounded and nothing is ever cleared. Not thread-safe:
/// one per thread.
class WordCache {
 public:
  static constexpr std::size_t kMaxBytes = 31;  // longer words and
  static constexpr std::size_t kMaxIds = 7;     // longer results are not kept

  using Key = std::array<std::uint64_t, 4>;  // the bytes, zero-padded, then their number

  struct alignas(64) Entry {
    Key key{};  // an empty word (never looked up) marks an unused entry
    std::uint32_t count = 0;
    std::array<std::int32_t, kMaxIds> ids{};
  };

  WordCache() : entries_(kEntries) {}

  /// word: 1 to kMaxBytes bytes.
  static Key key_of(std::string_view word) {
    Key key{};
    std::memcpy(key.data(), word.data(), word.size());
    key[3] |= static_cast<std::uint64_t>(word.size()) << 56;
    return key;
  }

  /// The place of `key`. It holds the word's tokens if its key equals `key`.
  Entry& place(const Key& key) {
    std::uint64_t hash = (key[0] ^ (key[3] * kMultiplier)) * kMultiplier;
    hash = (hash ^ (hash >> 29) ^ key[1]) * kMultiplier;
    hash = (hash ^ (hash >> 29) ^ key[2]) * kMultiplier;
    return entries_[hash >> (64 - kIndexBits)];
  }

  static void fill(Entry& entry, const Key& key, const std::int32_t* ids, std::size_t count) {
    if (count > kMaxIds) return;
    entry.key = key;
    entry.count = static_cast<std::uint32_t>(count);
    std::copy(ids, ids + count, entry.ids.begin());
  }

 private:
  static constexpr unsigned kIndexBits = 15;  // 32768 entries of 64 bytes: 2 MiB
  static constexpr std::size_t kEntries = std::size_t{1} << kIndexBits;
  static constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15ULL;

  std::vector<Entry> entries_;
};

}  // namespace longhaul
