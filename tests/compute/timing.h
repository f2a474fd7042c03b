#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compute/backend.h"
#include "model/model_config.h"

namespace longhaul {

/// How fast one op ran on one shape.
struct OpTiming {
  std::string op;
  std::string shape;
  double microseconds = 0.0;  // of a call
  double rate = 0.0;          // in `unit`
  std::string unit;           // "GB/s" or "TFLOP/s"
  double ceiling = 0.0;       // what the device reaches at most, in `unit`; 0: unknown
};

/// "swiglu_forward                  4096 x 6144       61.0 us    3712 GB/s    88.6 %": one line.
std::string timing_line(const OpTiming& timing);

/// The sizes on which ops are timed.
struct TimedModel {
  ModelConfig config;
  std::int64_t tokens = 0;
  std::vector<std::int64_t> documents;  // their lengths, for attention
  double seconds = 0.0;                 // of one measurement, about
};
/// A model of 1.7 B parameters on one GPU: what an op needs stays below 2 GiB.
TimedModel realistic_model();

// src/bench measures; its byte and FLOP counts are those of `longhaul bench`.

/// Ops that memory bandwidth bounds, whose names begin with `op`. The ceiling: copying within the
/// device, `copy_bytes_per_second`.
std::vector<OpTiming> time_kernels(Backend& backend, std::string_view op, const TimedModel& model,
                                   double copy_bytes_per_second);
/// Bytes read and written in a second by copying `bytes` bytes within the device.
double measure_copying(Backend& backend, std::size_t bytes, double seconds);
/// The three products of the widest linear layer. The ceiling: Device::peak_flops().
std::vector<OpTiming> time_products(Backend& backend, const TimedModel& model);
/// Attention forward and backward. The ceiling: Device::peak_flops().
std::vector<OpTiming> time_attention(Backend& backend, const TimedModel& model);

// The tests of ops call these when they have checked their results. They print on a GPU with 2 GiB
// free, on realistic_model(), and do nothing elsewhere or when LONGHAUL_TEST_TIMING=off.
void print_kernel_timings(Backend& backend, std::string_view op);
void print_product_timings(Backend& backend);
void print_attention_timings(Backend& backend);

}  // namespace longhaul
