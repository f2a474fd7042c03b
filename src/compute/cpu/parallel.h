#pragma once

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace longhaul::cpu {

/// Work below this many element visits is not worth waking other threads for.
inline constexpr std::int64_t kSerialWork = 16384;

/// Calls body(part, begin, end) for `parts` fixed contiguous ranges of [0, count). Which thread
/// runs a part is left open; what a part is, is not: results may depend on `parts`, never on
/// timing.
template <typename Body>
void parallel_parts(int threads, int parts, std::int64_t count, const Body& body) {
  const auto run = [&](int part) {
    const std::int64_t begin = count * part / parts;
    const std::int64_t end = count * (part + 1) / parts;
    if (begin < end) body(part, begin, end);
  };
  if (threads == 1) {
    for (int part = 0; part < parts; ++part) run(part);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int part = 0; part < parts; ++part) run(part);
}

/// Calls body(begin, end) on ranges of rows. Rows are independent of one another; `row_work` is the
/// number of elements a row touches.
template <typename Body>
void parallel_rows(int threads, std::int64_t rows, std::int64_t row_work, const Body& body) {
  const std::int64_t useful = std::max<std::int64_t>(1, rows * row_work / kSerialWork);
  const int parts = static_cast<int>(std::min<std::int64_t>({threads, useful, rows}));
  if (rows == 0) return;
  parallel_parts(parts, parts, rows,
                 [&](int, std::int64_t begin, std::int64_t end) { body(begin, end); });
}

/// Calls body(thread, task) for each task; tasks are independent of one another and unequal.
template <typename Body>
void parallel_tasks(int threads, std::int64_t tasks, const Body& body) {
  if (threads == 1 || tasks <= 1) {
    for (std::int64_t task = 0; task < tasks; ++task) body(0, task);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::int64_t task = 0; task < tasks; ++task) body(omp_get_thread_num(), task);
}

/// Calls body(begin, count) on ranges of bytes, one a thread where there are enough to share.
template <typename Body>
void parallel_bytes(int threads, std::size_t bytes, const Body& body) {
  constexpr std::size_t kWorthAThread = std::size_t{128} << 10;
  const int parts = static_cast<int>(
      std::clamp<std::size_t>(bytes / kWorthAThread, 1, static_cast<std::size_t>(threads)));
  parallel_parts(parts, parts, static_cast<std::int64_t>(bytes),
                 [&](int, std::int64_t begin, std::int64_t end) { body(begin, end - begin); });
}

/// Copies `bytes` bytes; the two do not overlap.
inline void parallel_copy(int threads, void* to, const void* from, std::size_t bytes) {
  parallel_bytes(threads, bytes, [&](std::int64_t begin, std::int64_t count) {
    std::memcpy(static_cast<std::byte*>(to) + begin, static_cast<const std::byte*>(from) + begin,
                static_cast<std::size_t>(count));
  });
}

}  // namespace longhaul::cpu
