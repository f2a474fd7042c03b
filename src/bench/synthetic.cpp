#include "bench/synthetic.h"

#include <algorithm>
#include <cmath>

#include "bench/lengths.h"
#include "bench/random_data.h"

namespace longhaul::bench {
namespace {

constexpr double kWeightDeviation = 0.02;  // what transformers starts Qwen models with

}  // namespace

void SyntheticWeights::read(const LogicalTensor& tensor, const TensorSlice& r, float* out) const {
  if (tensor.one_dimensional && !tensor.name.ends_with(".bias")) {  // a norm
    std::fill_n(out, r.rows * r.cols, 1.0F);
    return;
  }
  const std::uint64_t stream = random_stream(tensor.name);
  const Distribution distribution{0.0, kWeightDeviation};
  if (r.cols == tensor.cols) {
    random_normal(stream, r.row * tensor.cols, r.rows * r.cols, distribution, out);
    return;
  }
  for (std::int64_t row = 0; row < r.rows; ++row) {
    random_normal(stream, (r.row + row) * tensor.cols + r.col, r.cols, distribution,
                  out + row * r.cols);
  }
}

std::int32_t synthetic_token(std::int64_t stream, std::int64_t i, std::int64_t vocabulary) {
  const auto number = (static_cast<std::uint64_t>(stream) << 32) + static_cast<std::uint64_t>(i);
  return static_cast<std::int32_t>(random_bits(0, number) % static_cast<std::uint64_t>(vocabulary));
}

SyntheticBatches::SyntheticBatches(std::vector<std::int64_t> lengths, std::int64_t micro_batches,
                                   double loss_share, std::int64_t vocabulary,
                                   const ProcessGrid& grid)
    : grid_(grid), lengths_(std::move(lengths)), tokens_(sum_of(lengths_)) {
  for (std::int64_t batch = 0; batch < micro_batches; ++batch) {
    const std::int64_t stream = grid.dp_rank() * micro_batches + batch;
    for (std::int64_t i = 0; i < tokens_; ++i) {
      ids_.push_back(synthetic_token(stream, i, vocabulary));
    }
  }
  // Whenever the running sum of shares passes a whole number, a token carries loss.
  for (std::int64_t i = 0; i < tokens_; ++i) {
    const double before = std::floor(static_cast<double>(i) * loss_share);
    const double after = std::floor(static_cast<double>(i + 1) * loss_share);
    weights_.push_back(after > before ? 1.0F : 0.0F);
  }
}

std::int64_t SyntheticBatches::stream_tokens(const ParallelLayout& layout) const {
  return padded_stream_tokens(tokens_, layout);
}

const MicroBatch& SyntheticBatches::build(std::int64_t index) {
  documents_.clear();
  std::int64_t begin = 0;
  for (const std::int64_t length : lengths_) {
    documents_.push_back({ids_.data() + index * tokens_ + begin, weights_.data() + begin, length});
    begin += length;
  }
  fill_micro_batch(documents_, grid_.layout(), grid_.cp_rank(), stream_tokens(grid_.layout()),
                   batch_);
  return batch_;
}

}  // namespace longhaul::bench
