#include "train/sharded_adamw.h"

#include <cmath>
#include <cstring>

namespace longhaul {

ShardedAdamW::ShardedAdamW(Runtime& runtime, const ParameterTable& table, const ShardLayout& layout,
                           Weights& weights, const AdamWOptions& options, Arena& arena)
    : runtime_(runtime),
      table_(table),
      layout_(layout),
      weights_(weights),
      options_(options),
      master_(arena.allocate_array<float>(layout.size(), "master weights")),
      exp_avg_(arena.allocate_array<float>(layout.size(), "AdamW first moments")),
      exp_avg_sq_(arena.allocate_array<float>(layout.size(), "AdamW second moments")),
      sum_(arena.allocate_array<double>(1, "gradient norm")) {}

double ShardedAdamW::gradient_norm(const float* gradient_shards) {
  Backend& backend = runtime_.backend;
  const Stream stream = backend.compute_stream();
  backend.fill_zero(sum_, sizeof(double), stream);
  backend.sum_of_squares(gradient_shards, layout_.replicated_begin(), sum_);
  if (runtime_.grid.tp_rank() == 0) {
    backend.sum_of_squares(gradient_shards + layout_.replicated_begin(),
                           layout_.size() - layout_.replicated_begin(), sum_);
  }
  runtime_.comms[Group::world].all_reduce(sum_, 1, DType::f64, "gradients.norm", stream);
  if (sum_on_host_.data() == nullptr) sum_on_host_ = PinnedBuffer(backend, sizeof(double));
  backend.copy_to_host(sum_on_host_.data(), sum_, sizeof(double), stream);
  backend.synchronize(stream);
  double sum = 0.0;
  std::memcpy(&sum, sum_on_host_.data(), sizeof sum);
  return std::sqrt(sum);
}

void ShardedAdamW::update(const float* gradient_shards, std::int64_t update, double learning_rate,
                          double gradient_scale) {
  AdamWStep step;
  step.grad_scale = static_cast<float>(gradient_scale);
  step.learning_rate = static_cast<float>(learning_rate);
  step.beta1 = options_.beta1;
  step.beta2 = options_.beta2;
  step.epsilon = static_cast<float>(options_.epsilon);
  step.bias1 = 1.0 - std::pow(options_.beta1, static_cast<double>(update));
  step.bias2 = 1.0 - std::pow(options_.beta2, static_cast<double>(update));
  for (std::size_t i = 0; i < table_.parameters().size(); ++i) {
    const Parameter& parameter = table_.parameters()[i];
    const std::int64_t offset = layout_.offset(static_cast<int>(i));
    step.master = master_ + offset;
    step.exp_avg = exp_avg_ + offset;
    step.exp_avg_sq = exp_avg_sq_ + offset;
    step.grad = gradient_shards + offset;
    step.weight = weights_.shard(static_cast<int>(i)).data;
    step.count = parameter.shard_size();
    step.weight_decay = parameter.weight_decay ? static_cast<float>(options_.weight_decay) : 0.0F;
    runtime_.backend.adamw(step);
  }
}

void ShardedAdamW::round_weights() {
  for (std::size_t i = 0; i < table_.parameters().size(); ++i) {
    const MatrixView shard = weights_.shard(static_cast<int>(i));
    runtime_.backend.convert(ConstMatrixView(master_ + layout_.offset(static_cast<int>(i)),
                                             DType::f32, shard.rows, shard.cols),
                             shard);
  }
}

}  // namespace longhaul
