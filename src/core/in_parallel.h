#pragma once

#include <cstdint>
#include <functional>

namespace longhaul {

/// Runs work(thread, i) for i = 0 .. count-1, each i on whichever of `threads` threads is free;
/// `thread` counts them from 0. The exception of the lowest failing i is thrown when all threads
/// have ended.
void in_parallel(std::int64_t count, int threads,
                 const std::function<void(int thread, std::int64_t i)>& work);

}  // namespace longhaul
