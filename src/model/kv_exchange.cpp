#include "model/kv_exchange.h"

#include "comm/chunk_order.h"

namespace longhaul {

KvExchange::KvExchange(Runtime& runtime, const LocalSizes& sizes)
    : runtime_(runtime), sizes_(sizes) {
  if (alone()) return;
  computed_ = runtime.backend.create_event();
  exchanged_ = runtime.backend.create_event();
}

void KvExchange::follow_compute() {
  Backend& backend = runtime_.backend;
  backend.record(computed_, backend.compute_stream());
  backend.wait(runtime_.layer_stream, computed_);
}

void KvExchange::wait() {
  Backend& backend = runtime_.backend;
  runtime_.exposed_comm->timed([&] { backend.wait(backend.compute_stream(), exchanged_); });
}

void KvExchange::start_gather(ConstMatrixView local, const LayerScratch& s) {
  if (alone()) return;
  follow_compute();
  runtime_.comms[Group::cp].all_gather(local.data, s.kv_chunks, local.size(), local.dtype,
                                       "attention.gather_kv", runtime_.layer_stream);
  runtime_.backend.record(exchanged_, runtime_.layer_stream);
}

void KvExchange::finish_gather(MatrixView stream, const LayerScratch& s) {
  if (alone()) return;
  wait();
  runtime_.backend.reorder_chunks(MatrixView(s.kv_chunks, stream.dtype, stream.rows, stream.cols),
                                  chunk_order(sizes_.cp), stream);
}

void KvExchange::start_reduce(const TokenCounts& tokens, const LayerScratch& s) {
  if (alone()) return;
  const std::int64_t cols = 2 * sizes_.kv_cols;
  runtime_.backend.reorder_chunks(MatrixView(s.d_kv_stream, DType::f32, tokens.stream, cols),
                                  inverse_chunk_order(sizes_.cp),
                                  MatrixView(s.d_kv_chunks, DType::f32, tokens.stream, cols));
  follow_compute();
  runtime_.comms[Group::cp].reduce_scatter(s.d_kv_chunks, s.d_kv_local, tokens.local * cols,
                                           DType::f32, "attention.reduce_d_kv",
                                           runtime_.layer_stream);
  runtime_.backend.record(exchanged_, runtime_.layer_stream);
}

void KvExchange::finish_reduce(MatrixView d_local, const LayerScratch& s) {
  if (alone()) return;
  wait();
  runtime_.backend.convert(ConstMatrixView(s.d_kv_local, DType::f32, d_local.rows, d_local.cols),
                           d_local);
}

}  // namespace longhaul
