#include "model/kv_exchange.h"

#include "comm/chunk_order.h"

namespace longhaul {

KvExchange::KvExchange(Runtime& runtime, const LocalSizes& sizes)
    : runtime_(runtime), sizes_(sizes) {
  if (alone()) return;
  computed_ = runtime.device.create_event();
  exchanged_ = runtime.device.create_event();
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

void KvExchange::start_gather(ConstMatrixView local, const LayerScratch& s) {
  if (alone()) return;
  follow_compute();
  runtime_.comms.cp->all_gather(local.data, s.kv_chunks, local.size(), local.dtype,
                                "attention.gather_kv", runtime_.layer_stream);
  runtime_.device.record(exchanged_, runtime_.layer_stream);
}

void KvExchange::finish_gather(MatrixView stream, const LayerScratch& s) {
  if (alone()) return;
  wait();
  runtime_.ops().reorder_chunks(MatrixView(s.kv_chunks, stream.dtype, stream.rows, stream.cols),
                                chunk_order(sizes_.cp), stream);
}

void KvExchange::start_reduce(const TokenCounts& tokens, const LayerScratch& s) {
  if (alone()) return;
  const std::int64_t cols = 2 * sizes_.kv_cols;
  runtime_.ops().reorder_chunks(MatrixView(s.d_kv_stream, DType::f32, tokens.stream, cols),
                                inverse_chunk_order(sizes_.cp),
                                MatrixView(s.d_kv_chunks, DType::f32, tokens.stream, cols));
  follow_compute();
  runtime_.comms.cp->reduce_scatter(s.d_kv_chunks, s.d_kv_local, tokens.local * cols, DType::f32,
                                    "attention.reduce_d_kv", runtime_.layer_stream);
  runtime_.device.record(exchanged_, runtime_.layer_stream);
}

void KvExchange::finish_reduce(MatrixView d_local, const LayerScratch& s) {
  if (alone()) return;
  wait();
  runtime_.ops().convert(ConstMatrixView(s.d_kv_local, DType::f32, d_local.rows, d_local.cols),
                         d_local);
}

}  // namespace longhaul
