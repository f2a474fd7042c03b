#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bench/report.h"
#include "compute/backend.h"
#include "model/local_sizes.h"

namespace longhaul::bench {

struct KernelOptions {
  std::int64_t tokens = 16384;  // of one rank
  std::string only;             // run the ops whose name holds this
  std::size_t copy_bytes = std::size_t{1} << 30;
  double seconds = 0.25;  // of one measurement, about
  /// What copying reaches, where that is known already: then it is not measured.
  std::optional<double> copy_bytes_per_second;
};

/// Times every op that memory bandwidth bounds, on the shapes that one rank trains with. A row an
/// op: the time of a call; the bytes that it must move, each input read once and each output
/// written once (one that is added to counts twice); GB/s, and its share of what copying reaches.
void bench_kernels(Backend& backend, const LocalSizes& sizes, const KernelOptions& options,
                   Report& report);

}  // namespace longhaul::bench
