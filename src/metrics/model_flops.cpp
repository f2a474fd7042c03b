#include "metrics/model_flops.h"

namespace longhaul {

double training_flops(const ModelFlopsInput& input) {
  // In double: the products pass 2^63 for large models and long documents.
  const auto real = [](std::int64_t value) { return static_cast<double>(value); };
  const double layers = 6.0 * real(input.layer_matmul_parameters) * real(input.tokens);
  const double head = 6.0 * real(input.head_parameters) * real(input.head_rows);
  const double attention = 6.0 * real(input.layers) * real(input.query_heads) *
                           real(input.head_dim) * real(input.sum_of_squared_lengths);
  return layers + head + attention;
}

}  // namespace longhaul
