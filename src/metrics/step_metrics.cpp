#include "metrics/step_metrics.h"

namespace longhaul {
namespace {

double rate(double amount, double seconds) { return seconds > 0.0 ? amount / seconds : 0.0; }

}  // namespace

double StepMetrics::tokens_per_second() const {
  return rate(static_cast<double>(tokens), step_seconds);
}

double StepMetrics::tokens_per_second_per_device() const {
  return devices > 0 ? tokens_per_second() / devices : 0.0;
}

double StepMetrics::trained_tokens_per_second() const {
  return rate(static_cast<double>(trained_tokens), step_seconds);
}

double StepMetrics::model_tflops() const {
  return devices > 0 ? rate(model_flops, step_seconds) / devices / 1e12 : 0.0;
}

std::optional<double> StepMetrics::mfu() const {
  if (!(peak_flops > 0.0)) return std::nullopt;
  return rate(model_flops, step_seconds) / peak_flops;
}

double StepMetrics::padding_share() const {
  const std::int64_t computed = tokens + padding_tokens;
  return computed > 0 ? static_cast<double>(padding_tokens) / static_cast<double>(computed) : 0.0;
}

}  // namespace longhaul
