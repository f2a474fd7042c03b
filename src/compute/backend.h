#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "core/accumulate_mode.h"
#include "core/adamw_step.h"
#include "core/attention_shape.h"
#include "core/cross_entropy_partials.h"
#include "core/matrix.h"
#include "core/rope_table.h"
#include "core/stream.h"

namespace longhaul {

/// Memory, streams and ops of one device. Everything above this interface is the same for the CPU
/// and for GPUs. Pointers and views refer to this device's memory unless said otherwise. Ops run in
/// order on compute_stream(); on the CPU they are complete when they return. Weights, activations
/// and their gradients have compute_dtype(); parameter gradients, norms' statistics and optimizer
/// state are fp32.
class Backend {
 public:
  Backend() = default;
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // ---- what it is
  /// "cpu (OpenBLAS Zen, 2 threads)", "NVIDIA H100 80GB HBM3", ...
  [[nodiscard]] virtual std::string describe() const = 0;
  [[nodiscard]] virtual DType compute_dtype() const = 0;
  /// Dense peak of the matrix units in compute_dtype(), FLOP/s; 0 when unknown.
  [[nodiscard]] virtual double peak_flops() const = 0;

  // ---- what the device says of itself, and what profilers show
  struct Health {
    int clock_mhz = 0;
    double power_w = 0.0;
    int temperature_c = 0;
  };
  /// Nothing where nobody tells.
  [[nodiscard]] virtual std::optional<Health> health() const { return std::nullopt; }
  /// Names what the host issues until end_range() on a profiler's time line; ranges nest.
  virtual void begin_range(const char* /*name*/) {}
  virtual void end_range() {}

  // ---- memory
  /// Uninitialised memory aligned to Arena::kAlignment; throws UserError when there is not enough.
  [[nodiscard]] virtual void* allocate(std::size_t bytes) = 0;
  virtual void deallocate(void* data) noexcept = 0;
  /// Is this memory the host's, shared by all ranks on it?
  [[nodiscard]] virtual bool memory_is_host() const = 0;
  /// Host memory that copies to and from the device run beside computing with (pinned, where that
  /// matters); throws UserError when there is not enough.
  [[nodiscard]] virtual void* allocate_host(std::size_t bytes) = 0;
  virtual void deallocate_host(void* data) noexcept = 0;
  /// Bytes of device memory in use by this process now, and free on the device.
  [[nodiscard]] virtual std::size_t memory_used() const = 0;
  [[nodiscard]] virtual std::size_t memory_free() const = 0;
  /// Bytes of memory_used() that no allocate() asked for: the driver's and libraries' own.
  [[nodiscard]] virtual std::size_t memory_overhead() const = 0;
  virtual void copy_to_device(void* device, const void* host, std::size_t bytes, Stream stream) = 0;
  virtual void copy_to_host(void* host, const void* device, std::size_t bytes, Stream stream) = 0;
  virtual void copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream) = 0;
  virtual void fill_zero(void* data, std::size_t bytes, Stream stream) = 0;

  // ---- streams
  [[nodiscard]] virtual Stream compute_stream() const = 0;
  /// A further stream; lives as long as the backend.
  [[nodiscard]] virtual Stream create_stream(const char* name) = 0;
  [[nodiscard]] virtual Event create_event() = 0;
  virtual void record(Event event, Stream stream) = 0;
  /// Work issued on `stream` from now on waits for `event`.
  virtual void wait(Stream stream, Event event) = 0;
  /// The host waits for all work issued on `stream`.
  virtual void synchronize(Stream stream) = 0;
  /// The host waits until the work before the last record() of `event` is done; at once when it was
  /// never recorded.
  virtual void synchronize(Event event) = 0;
  /// Time between the last record() of two events; both must have been reached.
  [[nodiscard]] virtual double seconds_between(Event from, Event to) const = 0;

  // ---- workspace: one block that every op may use while it runs
  /// Bytes that the ops need for streams of up to max_tokens local and max_keys gathered tokens.
  [[nodiscard]] virtual std::size_t workspace_bytes(std::int64_t max_tokens, std::int64_t max_keys,
                                                    const AttentionHeads& heads) const = 0;
  virtual void set_workspace(void* data, std::size_t bytes) = 0;

  // ---- linear layers: y = x w^T + bias + addend
  /// x [T, K], w [N, K], bias [N] or null, addend [T, N] or an empty view -> y [T, N], overwritten.
  /// The addend (a residual connection) is another buffer than y.
  virtual void linear_forward(ConstMatrixView x, ConstMatrixView w, const void* bias,
                              ConstMatrixView addend, MatrixView y) = 0;
  /// dy [T, N], w [N, K] -> dx [T, K].
  virtual void linear_backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                                     AccumulateMode write) = 0;
  /// dy [T, N], x [T, K] -> dw [N, K] fp32.
  virtual void linear_backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw,
                                      AccumulateMode write) = 0;
  /// dy [T, N] -> dbias [N] fp32, accumulated.
  virtual void bias_backward(ConstMatrixView dy, float* dbias) = 0;

  // ---- embedding; this rank's table holds rows vocab_begin .. vocab_begin + table.rows
  /// ids [T] int32, table [V, H] -> out [T, H]; rows whose id is not in the table become zero.
  virtual void embedding_forward(const std::int32_t* ids, ConstMatrixView table,
                                 std::int64_t vocab_begin, MatrixView out) = 0;
  /// dout [T, H] -> dtable [V, H] fp32, accumulated in row order (deterministic).
  virtual void embedding_backward(const std::int32_t* ids, ConstMatrixView dout,
                                  std::int64_t vocab_begin, MatrixView dtable) = 0;

  // ---- RMSNorm over groups of cols / groups columns (groups 1: hidden; groups = heads: QK norm)
  /// x [T, groups * D], weight [D] -> y [T, groups * D] (may be x), inv_rms [T, groups] fp32.
  virtual void rms_norm_forward(ConstMatrixView x, int groups, const void* weight, float epsilon,
                                MatrixView y, float* inv_rms) = 0;
  /// dy, x [T, groups * D], inv_rms [T, groups] -> dx [T, groups * D] (may be dy when overwriting),
  /// dweight [D] fp32, accumulated.
  virtual void rms_norm_backward(ConstMatrixView dy, ConstMatrixView x, int groups,
                                 const void* weight, const float* inv_rms, MatrixView dx,
                                 AccumulateMode write, float* dweight) = 0;

  // ---- rotary position embedding, rotate-half form, in place on x [T, heads * D]
  virtual void rope(MatrixView x, int heads, const std::int32_t* positions, const RopeTable& table,
                    RopeDirection direction) = 0;

  // ---- QK norm and rotary position embedding in one pass over the heads of q or of k
  /// x [T, heads * D], weight [D] -> y [T, heads * D] = rope(rms_norm(x)), y is not x;
  /// inv_rms [T, heads] fp32.
  virtual void head_norm_rope_forward(ConstMatrixView x, int heads, const void* weight,
                                      float epsilon, const std::int32_t* positions,
                                      const RopeTable& table, MatrixView y, float* inv_rms) = 0;
  /// The way back: dy, x [T, heads * D], inv_rms [T, heads] -> dy overwritten with dx,
  /// dweight [D] fp32, accumulated.
  virtual void head_norm_rope_backward(MatrixView dy, ConstMatrixView x, int heads,
                                       const void* weight, const float* inv_rms,
                                       const std::int32_t* positions, const RopeTable& table,
                                       float* dweight) = 0;

  // ---- attention over segments; q rows outside every segment are not written
  /// q [Tq, heads * D], k, v [Tkv, kv_heads * D] -> o [Tq, heads * D], lse [heads, Tq] fp32
  /// (natural logarithm of the sum of exponentials of the scaled scores).
  virtual void attention_forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                 std::span<const AttentionSegment> segments,
                                 const AttentionHeads& heads, MatrixView o, float* lse) = 0;
  /// -> dq [Tq, heads * D] overwritten; dk, dv [Tkv, kv_heads * D], either
  ///   AccumulateMode::accumulate: fp32, and any segments may share keys; or
  ///   AccumulateMode::overwrite: compute_dtype(), and no two segments share a key. Rows outside
  ///   every segment's keys are not written.
  virtual void attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                  ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                                  std::span<const AttentionSegment> segments,
                                  const AttentionHeads& heads, MatrixView dq, MatrixView dk,
                                  MatrixView dv, AccumulateMode write_dkv) = 0;

  // ---- SwiGLU: act = silu(gate) * up
  /// gate_up [T, 2F] (gate first) -> act [T, F].
  virtual void swiglu_forward(ConstMatrixView gate_up, MatrixView act) = 0;
  /// dact [T, F], gate_up [T, 2F] -> dgate_up [T, 2F] (may be gate_up), and dact overwritten with
  /// act: the weight gradient behind needs it, and making it again here costs less than keeping it.
  virtual void swiglu_backward(MatrixView dact, ConstMatrixView gate_up, MatrixView dgate_up) = 0;

  // ---- rows of the loss head
  /// src [T, H], rows [R] int32 -> dst [R, H].
  virtual void gather_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) = 0;
  /// src [R, H] -> rows of dst [T, H]; other rows are left alone. Rows are distinct.
  virtual void scatter_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) = 0;
  /// src and dst [chunks * chunk_rows, C], contiguous: dst chunk order[i] = src chunk i.
  virtual void reorder_chunks(ConstMatrixView src, std::span<const std::int32_t> order,
                              MatrixView dst) = 0;

  // ---- vocabulary-parallel cross-entropy; columns >= valid_cols are padding and ignored
  /// logits [R, V] (this rank's columns vocab_begin ..), targets [R] -> partials [R, 3] fp32.
  virtual void cross_entropy_partials(ConstMatrixView logits, std::int64_t valid_cols,
                                      const std::int32_t* targets, std::int64_t vocab_begin,
                                      float* partials) = 0;
  /// all_partials [parts, R, 3] of every rank of the group -> nll [R] fp32 (negative log-likelihood
  /// of the target) and lse [R] fp32 (log-sum-exp of the whole row).
  virtual void cross_entropy_combine(const float* all_partials, int parts, std::int64_t rows,
                                     float* nll, float* lse) = 0;
  /// logits [R, V] -> overwritten with weights[r] * (softmax - onehot(target)); padding columns
  /// zero.
  virtual void cross_entropy_backward(MatrixView logits, std::int64_t valid_cols,
                                      const std::int32_t* targets, std::int64_t vocab_begin,
                                      const float* weights, const float* lse) = 0;

  /// nll, weights [R] fp32 -> result [1] fp64, device memory: += sum(weights * nll).
  /// Deterministic.
  virtual void weighted_sum(const float* nll, const float* weights, std::int64_t rows,
                            double* result) = 0;

  // ---- elementwise
  /// y [R, C] += x [R, C], same dtype.
  virtual void add(ConstMatrixView x, MatrixView y) = 0;
  /// dst = src with another dtype (fp32 <-> compute_dtype()); a copy when they are equal.
  virtual void convert(ConstMatrixView src, MatrixView dst) = 0;
  /// dst [count] fp32 += src [count] fp32.
  virtual void accumulate(const float* src, float* dst, std::int64_t count) = 0;

  // ---- optimizer
  virtual void adamw(const AdamWStep& step) = 0;
  /// result [1] fp64, device memory: += sum of squares of x [count] fp32. Deterministic.
  virtual void sum_of_squares(const float* x, std::int64_t count, double* result) = 0;
};

/// A range on the profiler's time line: see Backend::begin_range.
class ProfilerRange {
 public:
  ProfilerRange(Backend& backend, const char* name) : backend_(backend) {
    backend_.begin_range(name);
  }
  ~ProfilerRange() { backend_.end_range(); }
  ProfilerRange(const ProfilerRange&) = delete;
  ProfilerRange& operator=(const ProfilerRange&) = delete;

 private:
  Backend& backend_;
};

/// Device memory that is given back when it goes out of scope.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Backend& backend, std::size_t bytes)
      : backend_(&backend), data_(bytes == 0 ? nullptr : backend.allocate(bytes)), bytes_(bytes) {}
  ~DeviceBuffer() { reset(); }
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  void reset() noexcept {
    if (data_ != nullptr) backend_->deallocate(data_);
    data_ = nullptr;
    bytes_ = 0;
  }

 private:
  void swap(DeviceBuffer& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  Backend* backend_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Host memory from Backend::allocate_host that is given back when it goes out of scope.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  PinnedBuffer(Backend& backend, std::size_t bytes)
      : backend_(&backend), data_(bytes == 0 ? nullptr : backend.allocate_host(bytes)) {}
  ~PinnedBuffer() {
    if (data_ != nullptr) backend_->deallocate_host(data_);
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept { swap(other); }
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void swap(PinnedBuffer& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(data_, other.data_);
  }

  Backend* backend_ = nullptr;
  void* data_ = nullptr;
};

/// The CPU backend: FP32 throughout, OpenBLAS for matrix products, `threads` OpenMP threads.
std::unique_ptr<Backend> make_cpu_backend(int threads);

}  // namespace longhaul
