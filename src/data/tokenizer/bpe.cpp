#include "data/tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "core/error.h"

namespace longhaul {
namespace {

constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
constexpr unsigned kRankBits = 24;
/// Up to this many bytes, looking through all pairs for the best one beats a heap.
constexpr std::size_t kShortWord = 48;

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(left) << 20) | static_cast<std::uint64_t>(right);
}

std::uint64_t hash_of(std::uint64_t key) {
  key *= 0x9E3779B97F4A7C15ULL;
  return key ^ (key >> 32);
}

}  // namespace

Bpe::Bpe(const std::array<std::int32_t, 256>& byte_ids, const std::vector<Merge>& merges)
    : byte_ids_(byte_ids) {
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(16, merges.size() * 3));
  slots_.assign(slots, kEmpty);
  mask_ = slots - 1;
  results_.reserve(merges.size());
  for (const Merge& merge : merges) {
    LONGHAUL_CHECK(std::max({merge.left, merge.right, merge.result}) < kMaxTokens,
                   "merge {} + {} -> {}", merge.left, merge.right, merge.result);
    const std::uint64_t key = pair_key(merge.left, merge.right);
    std::uint64_t slot = hash_of(key) & mask_;
    while (slots_[slot] != kEmpty) slot = (slot + 1) & mask_;
    slots_[slot] = (key << kRankBits) | results_.size();
    results_.push_back(merge.result);
  }
}

std::uint32_t Bpe::rank_of(std::int32_t left, std::int32_t right) const {
  const std::uint64_t key = pair_key(left, right);
  std::uint64_t slot = hash_of(key) & mask_;
  while (slots_[slot] != kEmpty) {
    if (slots_[slot] >> kRankBits == key) {
      return static_cast<std::uint32_t>(slots_[slot] & ((1U << kRankBits) - 1));
    }
    slot = (slot + 1) & mask_;
  }
  return kNoRank;
}

void Bpe::encode(std::string_view word, BpeScratch& scratch, std::vector<std::int32_t>& out) const {
  scratch.ids.clear();
  for (const char c : word) scratch.ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
  if (word.size() > 1) {
    if (word.size() <= kShortWord) {
      merge_short(scratch);
    } else {
      merge_long(scratch);
    }
  }
  out.insert(out.end(), scratch.ids.begin(), scratch.ids.end());
}

/// ranks[i] is the rank of the pair (ids[i], ids[i + 1]).
void Bpe::merge_short(BpeScratch& scratch) const {
  auto& ids = scratch.ids;
  auto& ranks = scratch.ranks;
  ranks.resize(ids.size());
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) ranks[i] = rank_of(ids[i], ids[i + 1]);
  std::size_t count = ids.size();
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNoRank) break;
    ids[best] = results_[ranks[best]];
    std::copy(ids.begin() + static_cast<std::ptrdiff_t>(best) + 2,
              ids.begin() + static_cast<std::ptrdiff_t>(count),
              ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    std::copy(ranks.begin() + static_cast<std::ptrdiff_t>(best) + 2,
              ranks.begin() + static_cast<std::ptrdiff_t>(count),
              ranks.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    --count;
    if (best > 0) ranks[best - 1] = rank_of(ids[best - 1], ids[best]);
    if (best + 1 < count) ranks[best] = rank_of(ids[best], ids[best + 1]);
  }
  ids.resize(count);
}

/// A linked list of symbols and a heap of candidate pairs, smallest (rank, position) first. An
/// entry is out of date when its position no longer begins a pair of that rank.
void Bpe::merge_long(BpeScratch& scratch) const {
  auto& ids = scratch.ids;
  auto& ranks = scratch.ranks;
  auto& previous = scratch.previous;
  auto& next = scratch.next;
  auto& heap = scratch.heap;
  const auto count = static_cast<std::int32_t>(ids.size());
  const auto last = static_cast<std::size_t>(count) - 1;
  ranks.assign(ids.size(), kNoRank);
  previous.resize(ids.size());
  next.resize(ids.size());
  heap.clear();
  const auto entry = [](std::uint32_t rank, std::size_t position) {
    return (static_cast<std::uint64_t>(rank) << 32) | position;
  };
  for (std::size_t i = 0; i <= last; ++i) {
    previous[i] = static_cast<std::int32_t>(i) - 1;
    next[i] = i < last ? static_cast<std::int32_t>(i) + 1 : -1;
    if (i < last) ranks[i] = rank_of(ids[i], ids[i + 1]);
    if (ranks[i] != kNoRank) heap.push_back(entry(ranks[i], i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto renew = [&](std::int32_t at) {
    const auto i = static_cast<std::size_t>(at);
    ranks[i] = next[i] < 0 ? kNoRank : rank_of(ids[i], ids[static_cast<std::size_t>(next[i])]);
    if (ranks[i] == kNoRank) return;
    heap.push_back(entry(ranks[i], i));
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const auto rank = static_cast<std::uint32_t>(heap.back() >> 32);
    const std::size_t i = heap.back() & 0xFFFFFFFFU;
    heap.pop_back();
    if (ranks[i] != rank) continue;
    const auto removed = static_cast<std::size_t>(next[i]);
    ids[i] = results_[rank];
    next[i] = next[removed];
    if (next[i] >= 0) previous[static_cast<std::size_t>(next[i])] = static_cast<std::int32_t>(i);
    ids[removed] = -1;
    ranks[removed] = kNoRank;
    renew(static_cast<std::int32_t>(i));
    if (previous[i] >= 0) renew(previous[i]);
  }
  ids.erase(std::remove(ids.begin(), ids.end(), -1), ids.end());
}

}  // namespace longhaul
