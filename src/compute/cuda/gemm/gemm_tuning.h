#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compute/cuda/gemm/gemm_product.h"

namespace longhaul {

/// About the shortest time that the product can take on a Hopper GPU, from its operations and its
/// bytes; for deciding what is worth timing and how often.
double gemm_least_seconds(const GemmProduct& product);

/// How much of a product is timed. Whatever is less than the least is timed whole.
struct GemmPart {
  double flops = 0.0;               // about this many operations, but
  std::int64_t least_elements = 0;  // at least so many of the output, so that the last, partial
                                    // wave of tiles weighs as little as in the whole, and
  std::int64_t most_elements = 0;   // at most so many of a weight gradient
};
GemmProduct gemm_part_for_timing(const GemmProduct& product, const GemmPart& size);

/// Finds the fastest of cuBLASLt's candidates for a product by timing them on its own operands.
///
/// The candidates are timed on a part of the product (0.6 ms at 650 TFLOP/s), until a budget is
/// spent; the best few take turns on a larger part (3 ms). For a large product that is 30 to 40 ms
/// in all; more where the sum is so long that the parts cannot be small. What is timed runs on the
/// product's stream, and the host waits for it.
///
/// Results are safe: a product that overwrites is written by the timed parts and must be computed
/// afterwards, as it must be anyway; the output of one that accumulates is only read, and the timed
/// parts write to scratch memory, or to memory that is allocated for the time being.
class GemmTuning {
 public:
  GemmTuning(const GemmLibrary& library, const GemmProduct& product, cudaStream_t stream);

  struct Result {
    std::size_t index = 0;  // of the fastest candidate
    double tflops = 0.0;
    double first_tflops = 0.0;  // of the first candidate that runs
  };
  /// None when there is no memory for the output, or no candidate runs.
  [[nodiscard]] std::optional<Result> run(std::span<const cublasLtMatmulAlgo_t> candidates);

 private:
  struct Timed {
    std::size_t index = 0;
    double seconds = 0.0;
  };
  class Event {
   public:
    Event();
    ~Event() { cudaEventDestroy(event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    [[nodiscard]] cudaEvent_t get() const { return event_; }

   private:
    cudaEvent_t event_ = nullptr;
  };
  struct Free {
    void operator()(void* data) const noexcept { cudaFree(data); }
  };

  bool find_output();
  bool take_output(const MatrixView& m);
  std::vector<Timed> screen(std::span<const cublasLtMatmulAlgo_t> candidates);
  std::optional<Result> decide(std::vector<Timed> finalists, std::size_t first,
                               std::span<const cublasLtMatmulAlgo_t> candidates);
  /// Seconds of one launch; infinity when the algorithm does not run.
  double time(GemmDescriptors& descriptors, const GemmProduct& product,
              const cublasLtMatmulAlgo_t& algorithm);

  GemmLibrary library_;
  cudaStream_t stream_;
  GemmProduct screening_;
  GemmProduct final_;
  void* output_ = nullptr;
  std::unique_ptr<void, Free> allocated_;
  Event begin_;
  Event end_;
};

}  // namespace longhaul
