#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace longhaul {

/// Draws `count` of the n `samples`: each floor(count / n) times, and the first count mod n of
/// random_order(n, seed, OrderPurpose::draw, file) once more. `file` is the data file's place in
/// --dataset, from 0. Ascending, copies side by side; empty when there are no samples. The result
/// depends on the arguments alone.
std::vector<std::int64_t> draw_samples(std::span<const std::int64_t> samples, std::int64_t count,
                                       std::uint64_t seed, std::uint64_t file);

}  // namespace longhaul
