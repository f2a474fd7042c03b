#include "train/optimizer/sharded_adamw.h"

#include <cmath>
#include <cstring>
#include <tuple>

namespace longhaul {

ShardedAdamW::ShardedAdamW(Runtime& runtime, const ParameterTable& table, const ShardLayout& layout,
                           Weights& weights, const AdamWOptions& options, Arena& arena)
    : runtime_(runtime),
      table_(table),
      layout_(layout),
      weights_(weights),
      options_(options),
      state_(std::apply(
          [&](const auto&... each) {
            return std::array{StateTensor(each, table, layout, arena)...};
          },
          kAdamWState)),
      sum_(arena.allocate_array<double>(1, "gradient norm")) {}

void ShardedAdamW::initialize() {
  Device& device = runtime_.device;
  for (const StateTensor& state : state_) {
    device.fill_zero(state.all().data, state.all().bytes(), device.compute_stream());
  }
}

double ShardedAdamW::gradient_norm(const float* gradient_shards) {
  Device& device = runtime_.device;
  Ops& ops = runtime_.ops();
  const Stream stream = device.compute_stream();
  device.fill_zero(sum_, sizeof(double), stream);
  ops.sum_of_squares(gradient_shards, layout_.replicated_begin(), sum_);
  if (runtime_.grid.tp_rank() == 0) {
    ops.sum_of_squares(gradient_shards + layout_.replicated_begin(),
                       layout_.size() - layout_.replicated_begin(), sum_);
  }
  runtime_.comms[Group::world].all_reduce(sum_, 1, DType::f64, "gradients.norm", stream);
  if (sum_on_host_.data() == nullptr) sum_on_host_ = PinnedBuffer(device, sizeof(double));
  device.copy_to_host(sum_on_host_.data(), sum_, sizeof(double), stream);
  device.synchronize(stream);
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
  const auto& [master, exp_avg, exp_avg_sq] = state_;
  for (std::size_t index = 0; index < table_.parameters().size(); ++index) {
    const Parameter& parameter = table_.parameters()[index];
    const int i = static_cast<int>(index);
    step.master = master.view(i).as<float>();
    step.exp_avg = exp_avg.view(i).as<float>();
    step.exp_avg_sq = exp_avg_sq.view(i).as<float>();
    step.grad = gradient_shards + layout_.offset(i);
    step.weight = weights_.shard(i).data;
    step.count = parameter.shard_size();
    step.weight_decay = parameter.weight_decay ? static_cast<float>(options_.weight_decay) : 0.0F;
    runtime_.ops().adamw(step);
  }
}

void ShardedAdamW::round_weights() {
  for (std::size_t i = 0; i < table_.parameters().size(); ++i) {
    const int parameter = static_cast<int>(i);
    runtime_.ops().convert(master().view(parameter), weights_.shard(parameter));
  }
}

}  // namespace longhaul
