#pragma once

#include <vector>

#include "compute/cpu/kernels.h"
#include "compute/ops.h"

namespace longhaul::cpu {

/// The ops on host memory: fp32 throughout, matrix products by OpenBLAS, the rest by our own vector
/// kernels, `threads` OpenMP threads. Every op is complete when it returns. With one number of
/// threads and one kind of processor, results are bit-identical from run to run. Not thread-safe:
/// one thread calls it.
class CpuOps final : public Ops {
 public:
  CpuOps(int threads, const Kernels& kernels);

  void set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) override;

  void linear_forward(ConstMatrixView x, ConstMatrixView w, const void* bias,
                      ConstMatrixView addend, MatrixView y) override;
  void linear_backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                             AccumulateMode write) override;
  void linear_backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw,
                              AccumulateMode write) override;
  void bias_backward(ConstMatrixView dy, float* dbias) override;

  void embedding_forward(const std::int32_t* ids, ConstMatrixView table, std::int64_t vocab_begin,
                         MatrixView out) override;
  void embedding_backward(const std::int32_t* ids, ConstMatrixView dout, std::int64_t vocab_begin,
                          MatrixView dtable) override;

  void rms_norm_forward(ConstMatrixView x, int groups, const void* weight, float epsilon,
                        MatrixView y, float* inv_rms) override;
  void rms_norm_backward(ConstMatrixView dy, ConstMatrixView x, int groups, const void* weight,
                         const float* inv_rms, MatrixView dx, AccumulateMode write,
                         float* dweight) override;

  void rope(MatrixView x, int heads, const std::int32_t* positions, const RopeTable& table,
            RopeDirection direction) override;
  void head_norm_rope_forward(ConstMatrixView x, int heads, const void* weight, float epsilon,
                              const std::int32_t* positions, const RopeTable& table, MatrixView y,
                              float* inv_rms) override;
  void head_norm_rope_backward(MatrixView dy, ConstMatrixView x, int heads, const void* weight,
                               const float* inv_rms, const std::int32_t* positions,
                               const RopeTable& table, float* dweight) override;

  void attention_forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                         std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                         MatrixView o, float* lse) override;
  void attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                          ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                          std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                          MatrixView dq, MatrixView dk, MatrixView dv,
                          AccumulateMode write_dkv) override;

  void swiglu_forward(ConstMatrixView gate_up, MatrixView act) override;
  void swiglu_backward(MatrixView dact, ConstMatrixView gate_up, MatrixView dgate_up) override;

  void gather_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) override;
  void scatter_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) override;
  void reorder_chunks(ConstMatrixView src, std::span<const std::int32_t> order,
                      MatrixView dst) override;

  void cross_entropy_partials(ConstMatrixView logits, std::int64_t valid_cols,
                              const std::int32_t* targets, std::int64_t vocab_begin,
                              float* partials) override;
  void cross_entropy_combine(const float* all_partials, int parts, std::int64_t rows, float* nll,
                             float* lse) override;
  void cross_entropy_backward(MatrixView logits, std::int64_t valid_cols,
                              const std::int32_t* targets, std::int64_t vocab_begin,
                              const float* weights, const float* lse) override;
  void weighted_sum(const float* nll, const float* weights, std::int64_t rows,
                    double* result) override;

  void add(ConstMatrixView x, MatrixView y) override;
  void convert(ConstMatrixView src, MatrixView dst) override;
  void accumulate(const float* src, float* dst, std::int64_t count) override;

  void adamw(const AdamWStep& step) override;
  void sum_of_squares(const float* x, std::int64_t count, double* result) override;

 private:
  int threads_;
  const Kernels& kernels_;
  std::byte* workspace_ = nullptr;
  std::size_t workspace_bytes_ = 0;
  // Grown to the largest use once, then kept: partial sums of norm weights, lists of attention
  // tiles.
  std::vector<double> partial_sums_;
  std::vector<float> run_sums_;
  std::vector<std::int64_t> tile_starts_;
};

}  // namespace longhaul::cpu
