#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compute/backend.h"
#include "compute/cuda/attention/attention_engine.h"
#include "compute/cuda/device/device.h"
#include "compute/cuda/device/device_monitor.h"
#include "compute/cuda/device/handles.h"
#include "compute/cuda/device/locked_memory.h"
#include "compute/cuda/gemm/gemm.h"

namespace longhaul {

enum class AttentionChoice : std::uint8_t {
  automatic,  // cuDNN where it can be used, our own kernel with `deterministic` and elsewhere
  cudnn,      // UserError when it cannot be used
  flash,      // our own kernel
};

struct CudaOptions {
  int device = 0;
  /// Every op gives the same bits every time: our own attention kernel, no timing of GEMM
  /// algorithms.
  bool deterministic = false;
  AttentionChoice attention = AttentionChoice::automatic;
  /// Where the fastest GEMM algorithms are remembered; empty: nowhere.
  std::filesystem::path gemm_file;
};

namespace cuda {

/// One NVIDIA GPU: BF16 weights and activations, FP32 accumulation and parameter gradients.
/// Matrix products are cuBLASLt's, attention cuDNN's or our own, everything else is in kernels/.
/// All ops are asynchronous on compute_stream(). One host thread at a time.
class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const CudaOptions& options);
  ~CudaBackend() override;
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;

  /// The GEMM algorithms timed so far are written to the file of the options. One rank calls it.
  void save_gemm_algorithms();

  /// `poll` is called again and again while the host waits for the device, with the seconds that it
  /// has waited, and may throw: when a peer of a collective has failed, the device would wait for
  /// ever. `done` is called when a wait in which `poll` was called is over.
  void while_waiting(std::function<void(double seconds)> poll, std::function<void()> done) {
    poll_ = std::move(poll);
    done_ = std::move(done);
  }

  [[nodiscard]] std::string describe() const override;
  [[nodiscard]] DType compute_dtype() const override { return DType::bf16; }
  [[nodiscard]] double peak_flops() const override { return device_.bf16_flops; }
  [[nodiscard]] const DeviceInfo& device() const { return device_; }

  [[nodiscard]] std::optional<Health> health() const override;
  void begin_range(const char* name) override;
  void end_range() override;

  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void deallocate(void* data) noexcept override;
  [[nodiscard]] bool memory_is_host() const override { return false; }
  [[nodiscard]] void* allocate_host(std::size_t bytes) override;
  void deallocate_host(void* data) noexcept override;
  [[nodiscard]] std::size_t memory_used() const override;
  [[nodiscard]] std::size_t memory_free() const override;
  [[nodiscard]] std::size_t memory_overhead() const override { return overhead_bytes_; }
  void copy_to_device(void* device, const void* host, std::size_t bytes, Stream stream) override;
  void copy_to_host(void* host, const void* device, std::size_t bytes, Stream stream) override;
  void copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream) override;
  void fill_zero(void* data, std::size_t bytes, Stream stream) override;

  [[nodiscard]] Stream compute_stream() const override { return {stream_.get()}; }
  [[nodiscard]] Stream create_stream(const char* name) override;
  [[nodiscard]] Event create_event() override;
  void record(Event event, Stream stream) override;
  void wait(Stream stream, Event event) override;
  void synchronize(Stream stream) override;
  void synchronize(Event event) override;
  [[nodiscard]] double seconds_between(Event from, Event to) const override;

  [[nodiscard]] std::size_t workspace_bytes(std::int64_t max_tokens, std::int64_t max_keys,
                                            const AttentionHeads& heads) const override;
  void set_workspace(void* data, std::size_t bytes) override;

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
  CudaOptions options_;
  DeviceInfo device_;
  DeviceMonitor monitor_;
  StreamHandle stream_;
  std::vector<StreamHandle> streams_;
  std::vector<EventHandle> events_;
  LockedMemory locked_memory_;
  DeviceAllocation scratch_;  // partial sums of reductions, cuBLASLt's workspace
  Gemm gemm_;
  std::unique_ptr<AttentionEngine> attention_;
  std::size_t overhead_bytes_ = 0;
  std::function<void(double seconds)> poll_;
  std::function<void()> done_;
};

/// Can AttentionChoice::cudnn be used on this machine?
bool cudnn_usable();

}  // namespace cuda

/// The CUDA backend on one GPU. Throws UserError when the GPU or the driver cannot be used.
std::unique_ptr<cuda::CudaBackend> make_cuda_backend(const CudaOptions& options);

}  // namespace longhaul
