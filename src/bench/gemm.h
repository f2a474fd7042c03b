#pragma once

#include <cstdint>
#include <string>

#include "bench/report.h"
#include "compute/backend.h"
#include "model/local_sizes.h"
#include "model/model_config.h"

namespace longhaul::bench {

struct GemmOptions {
  std::int64_t tokens = 16384;  // of one rank
  AccumulateMode weight_gradient =
      AccumulateMode::overwrite;  // accumulate: as from the second micro-batch on
  std::string only;               // run the linear layers whose name holds this
  double seconds = 0.25;          // of one measurement, about
};

/// Times the matrix products of a training step on the shapes of one rank: of every linear layer
/// the forward product, the gradient of its input and the gradient of its weight, called as the
/// model calls them (biases, residual connections and additions included). A row a product; results
/// `tflops_mean` (of the rows) and `tflops_weighted` (FLOP over time of all products that a step
/// with these tokens runs).
void bench_gemm(Backend& backend, const ModelConfig& config, const LocalSizes& sizes,
                const GemmOptions& options, Report& report);

}  // namespace longhaul::bench
