#include "model/kv_exchange.h"

#include "comm/chunk_order.h"

namespace longhaul {

KvExchange::KvExchange(Runtime& runtime, const LocalSizes& sizes, ActivationArena arena)
    : runtime_(runtime), sizes_(sizes) {
  if (alone()) return;
  computed_ = runtime.device.create_event();
  exchanged_ = runtime.device.create_event();
  const std::int64_t cols = 2 * sizes.kv_cols;
  const TokenCounts& tokens = arena.tokens;
  local_ = arena.matrix(tokens.cp_local, cols, "local keys and values");
  chunks_ = arena.matrix(tokens.global, cols, "gathered keys and values");
  d_stream_ = arena.floats(tokens.global * cols, "key and value gradient of the stream");
  d_chunks_ = arena.floats(tokens.global * cols, "key and value gradient by chunks");
  d_local_ = arena.floats(tokens.cp_local * cols, "reduced key and value gradient");
}

void KvExchange::follow_compute() {
  Device& device = runtime_.device;
  device.record(computed_, device.compute_stream());
  device.wait(runtime_.layer_stream, computed_);
}

void KvExchange::wait() {
  Device& device = runtime_.device;
  runtime_.exposed_comm->timed([&] { device.wait(device.compute_stream(), exchanged_); });
}

MatrixView KvExchange::local(MatrixView kv, const TokenCounts& tokens) const {
  if (alone()) return kv;
  return {local_, kv.dtype, tokens.cp_local, kv.cols};
}

void KvExchange::start_gather(ConstMatrixView local) {
  if (alone()) return;
  follow_compute();
  runtime_.comms[Group::cp].all_gather(local.data, chunks_, local.size(), local.dtype,
                                       "attention.gather_kv", runtime_.layer_stream);
  runtime_.device.record(exchanged_, runtime_.layer_stream);
}

void KvExchange::finish_gather(MatrixView kv) {
  if (alone()) return;
  wait();
  runtime_.ops().reorder_chunks(MatrixView(chunks_, kv.dtype, kv.rows, kv.cols),
                                chunk_order(sizes_.cp), kv);
}

MatrixView KvExchange::stream_gradient(MatrixView d_local, const TokenCounts& tokens) {
  if (alone()) return d_local;
  const MatrixView d_stream(d_stream_, DType::f32, tokens.global, d_local.cols);
  runtime_.device.fill_zero(d_stream.data, d_stream.bytes(), runtime_.device.compute_stream());
  return d_stream;
}

void KvExchange::start_reduce(const TokenCounts& tokens) {
  if (alone()) return;
  const std::int64_t cols = 2 * sizes_.kv_cols;
  runtime_.ops().reorder_chunks(MatrixView(d_stream_, DType::f32, tokens.global, cols),
                                inverse_chunk_order(sizes_.cp),
                                MatrixView(d_chunks_, DType::f32, tokens.global, cols));
  follow_compute();
  runtime_.comms[Group::cp].reduce_scatter(d_chunks_, d_local_, tokens.cp_local * cols, DType::f32,
                                           "attention.reduce_d_kv", runtime_.layer_stream);
  runtime_.device.record(exchanged_, runtime_.layer_stream);
}

void KvExchange::finish_reduce(MatrixView d_local) {
  if (alone()) return;
  wait();
  runtime_.ops().convert(ConstMatrixView(d_local_, DType::f32, d_local.rows, d_local.cols),
                         d_local);
}

}  // namespace longhaul
