#pragma once

#include <filesystem>
#include <memory>

#include "compute/cuda/attention/attention_engine.h"
#include "compute/cuda/device/handles.h"
#include "compute/cuda/gemm/gemm.h"
#include "compute/ops.h"

namespace longhaul::cuda {

/// The ops on one NVIDIA GPU: BF16 weights and activations, FP32 accumulation and parameter
/// gradients. Matrix products are cuBLASLt's, attention an engine's, everything else is in
/// kernels/. All ops are asynchronous on `stream`. One host thread at a time.
class CudaOps final : public Ops {
 public:
  struct Products {
    std::string device;  // names what timed algorithms are good for
    TuneMode mode = TuneMode::time_candidates;
    std::filesystem::path algorithms;  // where they are kept; empty: nowhere
  };
  CudaOps(cudaStream_t stream, const Products& products,
          std::unique_ptr<AttentionEngine> attention);

  void set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) override;
  /// Writes the timed algorithms of products to their file.
  void save_learned() override;

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
  cudaStream_t stream_;
  std::filesystem::path algorithms_;
  DeviceAllocation scratch_;  // partial sums of reductions, cuBLASLt's workspace
  Gemm gemm_;
  std::unique_ptr<AttentionEngine> attention_;
};

}  // namespace longhaul::cuda
