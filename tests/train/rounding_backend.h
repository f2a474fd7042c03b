#pragma once

#include <memory>
#include <utility>

#include "compute/backend.h"
#include "core/tensor/float_formats.h"

namespace longhaul::testing {

/// The CPU's ops with every activation, weight and gradient of an activation rounded to BF16 when
/// it is written, though kept as fp32: where a GPU rounds, without a GPU. Says how far BF16 moves
/// losses and gradients, and so what tolerances are worth.
class RoundingOps final : public Ops {
 public:
  explicit RoundingOps(std::unique_ptr<Ops> exact) : exact_(std::move(exact)) {}

  void set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) override {
    exact_->set_workspace(shape, data, bytes);
  }

  void linear_forward(ConstMatrixView x, ConstMatrixView w, const void* bias,
                      ConstMatrixView addend, MatrixView y) override {
    exact_->linear_forward(x, w, bias, addend, y);
    round(y);
  }
  void linear_backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                             AccumulateMode write) override {
    exact_->linear_backward_input(dy, w, dx, write);
    round(dx);
  }
  void linear_backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw,
                              AccumulateMode write) override {
    exact_->linear_backward_weight(dy, x, dw, write);
  }
  void bias_backward(ConstMatrixView dy, float* dbias) override {
    exact_->bias_backward(dy, dbias);
  }

  void embedding_forward(const std::int32_t* ids, ConstMatrixView table, std::int64_t vocab_begin,
                         MatrixView out) override {
    exact_->embedding_forward(ids, table, vocab_begin, out);
  }
  void embedding_backward(const std::int32_t* ids, ConstMatrixView dout, std::int64_t vocab_begin,
                          MatrixView dtable) override {
    exact_->embedding_backward(ids, dout, vocab_begin, dtable);
  }

  void rms_norm_forward(ConstMatrixView x, int groups, const void* weight, float epsilon,
                        MatrixView y, float* inv_rms) override {
    exact_->rms_norm_forward(x, groups, weight, epsilon, y, inv_rms);
    round(y);
  }
  void rms_norm_backward(ConstMatrixView dy, ConstMatrixView x, int groups, const void* weight,
                         const float* inv_rms, MatrixView dx, AccumulateMode write,
                         float* dweight) override {
    exact_->rms_norm_backward(dy, x, groups, weight, inv_rms, dx, write, dweight);
    round(dx);
  }
  void rope(MatrixView x, int heads, const std::int32_t* positions, const RopeTable& table,
            RopeDirection direction) override {
    exact_->rope(x, heads, positions, table, direction);
    round(x);
  }
  void head_norm_rope_forward(ConstMatrixView x, int heads, const void* weight, float epsilon,
                              const std::int32_t* positions, const RopeTable& table, MatrixView y,
                              float* inv_rms) override {
    exact_->head_norm_rope_forward(x, heads, weight, epsilon, positions, table, y, inv_rms);
    round(y);
  }
  void head_norm_rope_backward(MatrixView dy, ConstMatrixView x, int heads, const void* weight,
                               const float* inv_rms, const std::int32_t* positions,
                               const RopeTable& table, float* dweight) override {
    exact_->head_norm_rope_backward(dy, x, heads, weight, inv_rms, positions, table, dweight);
    round(dy);
  }

  void attention_forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                         std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                         MatrixView o, float* lse) override {
    exact_->attention_forward(q, k, v, segments, heads, o, lse);
    round(o);
  }
  void attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                          ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                          std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                          MatrixView dq, MatrixView dk, MatrixView dv,
                          AccumulateMode write_dkv) override {
    exact_->attention_backward(q, k, v, o, lse, d_o, segments, heads, dq, dk, dv, write_dkv);
    round(dq);
    if (write_dkv == AccumulateMode::accumulate) return;
    round(dk);
    round(dv);
  }

  void swiglu_forward(ConstMatrixView gate_up, MatrixView act) override {
    exact_->swiglu_forward(gate_up, act);
    round(act);
  }
  void swiglu_backward(MatrixView dact, ConstMatrixView gate_up, MatrixView dgate_up) override {
    exact_->swiglu_backward(dact, gate_up, dgate_up);
    round(dact);
    round(dgate_up);
  }

  void gather_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) override {
    exact_->gather_rows(src, rows, dst);
  }
  void scatter_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) override {
    exact_->scatter_rows(src, rows, dst);
  }
  void reorder_chunks(ConstMatrixView src, std::span<const std::int32_t> order,
                      MatrixView dst) override {
    exact_->reorder_chunks(src, order, dst);
  }

  void cross_entropy_partials(ConstMatrixView logits, std::int64_t valid_cols,
                              const std::int32_t* targets, std::int64_t vocab_begin,
                              float* partials) override {
    exact_->cross_entropy_partials(logits, valid_cols, targets, vocab_begin, partials);
  }
  void cross_entropy_combine(const float* all_partials, int parts, std::int64_t rows, float* nll,
                             float* lse) override {
    exact_->cross_entropy_combine(all_partials, parts, rows, nll, lse);
  }
  void cross_entropy_backward(MatrixView logits, std::int64_t valid_cols,
                              const std::int32_t* targets, std::int64_t vocab_begin,
                              const float* weights, const float* lse) override {
    exact_->cross_entropy_backward(logits, valid_cols, targets, vocab_begin, weights, lse);
    round(logits);
  }
  void weighted_sum(const float* nll, const float* weights, std::int64_t rows,
                    double* result) override {
    exact_->weighted_sum(nll, weights, rows, result);
  }

  void add(ConstMatrixView x, MatrixView y) override {
    exact_->add(x, y);
    round(y);
  }
  void convert(ConstMatrixView src, MatrixView dst) override {
    exact_->convert(src, dst);
    round(dst);
  }
  void accumulate(const float* src, float* dst, std::int64_t count) override {
    exact_->accumulate(src, dst, count);
  }
  void adamw(const AdamWStep& step) override {
    exact_->adamw(step);
    round({step.weight, DType::f32, 1, step.count});
  }
  void sum_of_squares(const float* x, std::int64_t count, double* result) override {
    exact_->sum_of_squares(x, count, result);
  }

 private:
  static void round(MatrixView m) {
    for (std::int64_t row = 0; row < m.rows; ++row) {
      float* const values = m.as<float>() + row * m.stride;
      for (std::int64_t col = 0; col < m.cols; ++col) {
        values[col] = bf16_to_f32(f32_to_bf16(values[col]));
      }
    }
  }

  std::unique_ptr<Ops> exact_;
};

/// A backend whose ops round.
inline Backend rounding_backend(Backend exact) {
  return {std::move(exact.device), std::make_unique<RoundingOps>(std::move(exact.ops))};
}

}  // namespace longhaul::testing
