#include "data/batches/packing.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <string>

#include "core/error.h"

namespace longhaul {
namespace {

/// Room left in each pack of a window, with the largest room of every subtree above it, so that the
/// first pack with enough room is found in O(log n).
class RoomTree {
 public:
  /// `packs` packs, all empty.
  RoomTree(std::size_t packs, std::int64_t max_length)
      : leaves_(std::bit_ceil(packs)), room_(2 * leaves_, max_length) {}

  /// Takes `length` from the first pack with that much room and returns the pack's number. There
  /// must be one.
  std::size_t place(std::int64_t length) {
    std::size_t node = 1;
    while (node < leaves_) {
      node *= 2;
      if (room_[node] < length) ++node;
    }
    const std::size_t pack = node - leaves_;
    room_[node] -= length;
    while ((node /= 2) > 0) room_[node] = std::max(room_[2 * node], room_[2 * node + 1]);
    return pack;
  }

 private:
  std::size_t leaves_;
  std::vector<std::int64_t> room_;  // node i has children 2i and 2i + 1; leaves are the packs
};

void add_sample(std::int64_t sample, std::int64_t length, Pack& pack) {
  pack.samples.push_back(sample);
  pack.tokens += length;
  pack.sum_squared_lengths += length * length;
}

/// From ascending lengths to lengths that fall from both ends towards the middle.
void mirror(std::vector<std::int64_t>& samples) {
  std::vector<std::int64_t> mirrored(samples.size());
  std::size_t begin = 0;
  std::size_t end = samples.size();
  for (std::size_t i = samples.size(); i-- > 0;) {
    const bool last = (samples.size() - 1 - i) % 2 == 0;
    mirrored[last ? --end : begin++] = samples[i];
  }
  samples = std::move(mirrored);
}

void pack_window(std::span<const std::int64_t> samples, std::span<const std::int64_t> lengths,
                 std::int64_t max_length, PackingMode mode, std::vector<Pack>& packs) {
  const auto length_of = [&](std::int64_t sample) {
    return lengths[static_cast<std::size_t>(sample)];
  };
  std::vector<std::int64_t> order(samples.begin(), samples.end());
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return length_of(a) != length_of(b) ? length_of(a) > length_of(b) : a < b;
  });
  const std::size_t first = packs.size();
  RoomTree tree(order.size(), max_length);
  for (const std::int64_t sample : order) {
    const std::size_t pack = first + tree.place(length_of(sample));
    if (pack >= packs.size()) packs.resize(pack + 1);
    add_sample(sample, length_of(sample), packs[pack]);
  }
  for (std::size_t i = first; i < packs.size(); ++i) {
    auto& members = packs[i].samples;
    std::sort(members.begin(), members.end(), [&](std::int64_t a, std::int64_t b) {
      return length_of(a) != length_of(b) ? length_of(a) < length_of(b) : a < b;
    });
    members.shrink_to_fit();
    if (mode == PackingMode::balanced) mirror(members);
  }
}

}  // namespace

PackingMode parse_packing(std::string_view given) {
  std::string text(given);  // as Boost reads a BOOL flag, which this was
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view yes : {"true", "1", "yes", "on"}) {
    if (text == yes) return PackingMode::first_fit_decreasing;
  }
  for (const std::string_view no : {"false", "0", "no", "off"}) {
    if (text == no) return PackingMode::one_sample;
  }
  return parse_choice("packing", given, kPackingModes);
}

std::string_view name_of(PackingMode mode) { return name_in(kPackingModes, mode); }

std::vector<Pack> pack_samples(std::span<const std::int64_t> samples,
                               std::span<const std::int64_t> lengths, std::int64_t max_length,
                               PackingMode mode, std::int64_t window) {
  LONGHAUL_CHECK(window >= 1, "a packing window of {} samples", window);
  for (const std::int64_t sample : samples) {
    LONGHAUL_CHECK(sample >= 0 && sample < static_cast<std::int64_t>(lengths.size()),
                   "sample {} of {}", sample, lengths.size());
    const std::int64_t length = lengths[static_cast<std::size_t>(sample)];
    LONGHAUL_CHECK(length >= 1 && length <= max_length,
                   "sample {} has {} tokens; a pack takes 1 to {}", sample, length, max_length);
  }
  std::vector<Pack> packs;
  if (mode == PackingMode::one_sample) {
    packs.resize(samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      add_sample(samples[i], lengths[static_cast<std::size_t>(samples[i])], packs[i]);
    }
    return packs;
  }
  const auto step = static_cast<std::size_t>(window);
  for (std::size_t begin = 0; begin < samples.size(); begin += step) {
    pack_window(samples.subspan(begin, std::min(step, samples.size() - begin)), lengths, max_length,
                mode, packs);
  }
  return packs;
}

}  // namespace longhaul
