#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace longhaul {

/// Working memory of Bpe::merge, reused between words. One per thread.
struct BpeScratch {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> ranks;
  std::vector<std::int32_t> previous;
  std::vector<std::int32_t> next;
  std::vector<std::uint64_t> heap;
};

/// The merges of a byte-level BPE model. Immutable after building; safe to share between threads.
class Bpe {
 public:
  /// Token ids stay below this, and so do ranks: a pair and its rank pack into 64 bits.
  static constexpr std::int32_t kMaxTokens = 1 << 20;

  struct Merge {
    std::int32_t left;
    std::int32_t right;
    std::int32_t result;
  };

  /// byte_ids: the token of each byte. merges: in order of rank, best first; all ids below
  /// kMaxTokens and no pair twice (checked by the loader).
  Bpe(const std::array<std::int32_t, 256>& byte_ids, const std::vector<Merge>& merges);

  /// Appends the tokens of `word` (any bytes, not empty) to `out`: of all adjacent pairs the one of
  /// the best rank is merged, leftmost first, until none is left. O(n log n) in the word's bytes.
  void encode(std::string_view word, BpeScratch& scratch, std::vector<std::int32_t>& out) const;

 private:
  static constexpr std::uint32_t kNoRank = 0xFFFFFFFFU;

  [[nodiscard]] std::uint32_t rank_of(std::int32_t left, std::int32_t right) const;
  void merge_short(BpeScratch& scratch) const;
  void merge_long(BpeScratch& scratch) const;

  std::array<std::int32_t, 256> byte_ids_;
  std::vector<std::int32_t> results_;  // [rank]
  std::vector<std::uint64_t> slots_;   // open addressing: left 20 bits, right 20 bits, rank 24 bits
  std::uint64_t mask_ = 0;             // number of slots - 1
};

}  // namespace longhaul
