#include "compute/cuda/gemm/gemm_tuning.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/cuda_check.h"

namespace longhaul {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

constexpr GemmPart kScreening{.flops = 4e11,
                              .least_elements = std::int64_t{1} << 23U,
                              .most_elements = std::int64_t{1} << 25U};
/// Stop trying further candidates after this; cuBLASLt names the likely ones first.
constexpr double kScreeningSeconds = 0.025;
constexpr std::size_t kMinScreened = 4;

/// 2^25 elements are 8 waves of 128 x 256 tiles on 132 SMs.
constexpr GemmPart kFinal{.flops = 2e12,
                          .least_elements = std::int64_t{1} << 25U,
                          .most_elements = std::int64_t{1} << 26U};
constexpr double kFinalSeconds = 0.015;  // no further round after this
constexpr int kFinalRounds = 3;
constexpr std::size_t kMaxFinalists = 4;
constexpr double kFinalistSlack = 1.12;
constexpr double kRoundSlack = 1.04;
/// What another candidate must win over the first: less is noise.
constexpr double kMinGain = 1.01;

/// What is timed at once should take this long, so that a launch costs little of it.
constexpr double kSecondsTimed = 2e-4;
constexpr double kMaxRepeats = 32.0;

int repeats_of(const GemmProduct& product) {
  return static_cast<int>(
      std::clamp(kSecondsTimed / gemm_least_seconds(product), 1.0, kMaxRepeats));
}

}  // namespace

double gemm_least_seconds(const GemmProduct& product) {
  constexpr double kFlopsPerSecond = 650e12;
  constexpr double kBytesPerSecond = 2.5e12;
  const auto bytes = [](const ConstMatrixView& m) {
    return static_cast<double>(m.size()) * static_cast<double>(size_of(m.dtype));
  };
  double moved = bytes(product.a) + bytes(product.b) + bytes(product.d);
  if (product.addend != GemmAddend::none) moved += bytes(product.c);
  return std::max(product.flops() / kFlopsPerSecond, moved / kBytesPerSecond);
}

GemmProduct gemm_part_for_timing(const GemmProduct& product, const GemmPart& size) {
  // `value`, but no ragged tiles that the whole does not have, not too small, and no more than all.
  const auto limited = [](double value, double least, std::int64_t whole) {
    constexpr std::int64_t kGrain = 256;
    const auto grains = static_cast<std::int64_t>(std::max(value, least) / kGrain);
    return std::min(std::max<std::int64_t>(grains, 1) * kGrain, whole);
  };
  const auto inputs = static_cast<double>(product.inputs);
  const auto outputs = static_cast<double>(product.outputs);
  if (product.kind == GemmKind::backward_weight) {
    // First the outputs are cut: with fewer tokens, reading and writing dw would weigh more than it
    // does in the whole.
    constexpr double kLeastTokens = 4096;
    const auto elements = static_cast<double>(size.most_elements);
    const std::int64_t n = limited(elements / inputs, 0.0, product.outputs);
    const double flops_per_token = 2.0 * inputs * static_cast<double>(n);
    return product.part(limited(size.flops / flops_per_token, kLeastTokens, product.tokens), n);
  }
  const double cols = product.kind == GemmKind::forward ? outputs : inputs;
  return product.part(limited(size.flops / (2.0 * inputs * outputs),
                              static_cast<double>(size.least_elements) / cols, product.tokens),
                      product.outputs);
}

GemmTuning::Event::Event() {
  LONGHAUL_CUDA_CHECK(cudaEventCreate(&event_), "timing matrix products");
}

GemmTuning::GemmTuning(const GemmLibrary& library, const GemmProduct& product, cudaStream_t stream)
    : library_(library),
      stream_(stream),
      screening_(gemm_part_for_timing(product, kScreening)),
      final_(gemm_part_for_timing(product, kFinal)) {}

std::optional<GemmTuning::Result> GemmTuning::run(
    std::span<const cublasLtMatmulAlgo_t> candidates) {
  if (!find_output()) return std::nullopt;
  std::vector<Timed> timed = screen(candidates);
  if (timed.empty()) return std::nullopt;
  const Timed first = timed.front();
  std::ranges::stable_sort(timed, {}, &Timed::seconds);
  const double slowest = timed.front().seconds * kFinalistSlack;
  std::erase_if(timed, [&](const Timed& t) { return t.seconds > slowest; });
  timed.resize(std::min(timed.size(), kMaxFinalists));
  if (std::ranges::find(timed, first.index, &Timed::index) == timed.end()) {
    timed.push_back(first);  // to know what was won
  }
  return decide(std::move(timed), first.index, candidates);
}

bool GemmTuning::find_output() {
  if (final_.addend != GemmAddend::in_place) return true;
  if (!take_output(final_.d)) {
    final_ = screening_;
    if (!take_output(screening_.d)) return false;
  }
  final_.d.data = output_;
  screening_.d.data = output_;
  return true;
}

bool GemmTuning::take_output(const MatrixView& m) {
  const std::size_t bytes =
      static_cast<std::size_t>((m.rows - 1) * gemm_leading_dimension(m) + m.cols) *
      size_of(m.dtype);
  if (bytes <= library_.scratch_bytes) {
    output_ = library_.scratch;
    return true;
  }
  void* data = nullptr;
  if (cudaMalloc(&data, bytes) != cudaSuccess) {
    cudaGetLastError();  // or the next check would report it
    return false;
  }
  allocated_.reset(data);
  output_ = data;
  return true;
}

std::vector<GemmTuning::Timed> GemmTuning::screen(
    std::span<const cublasLtMatmulAlgo_t> candidates) {
  const GemmProduct little = screening_.part(std::min<std::int64_t>(screening_.tokens, 64),
                                             std::min<std::int64_t>(screening_.outputs, 256));
  GemmDescriptors little_descriptors(little);
  GemmDescriptors descriptors(screening_);
  std::vector<Timed> timed;
  double spent = 0.0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (spent > kScreeningSeconds && timed.size() >= kMinScreened) break;
    // A kernel's first launch loads it, which takes much longer than running it.
    if (library_.launch(little_descriptors, little, candidates[i], stream_) !=
        CUBLAS_STATUS_SUCCESS) {
      static_cast<void>(library_.launch(descriptors, screening_, candidates[i], stream_));
    }
    const double seconds = time(descriptors, screening_, candidates[i]);
    if (seconds == kNever) continue;
    spent += seconds * repeats_of(screening_);
    timed.push_back({i, seconds});
  }
  return timed;
}

std::optional<GemmTuning::Result> GemmTuning::decide(
    std::vector<Timed> finalists, std::size_t first,
    std::span<const cublasLtMatmulAlgo_t> candidates) {
  GemmDescriptors descriptors(final_);
  for (Timed& finalist : finalists) finalist.seconds = kNever;
  // In turns, so that a clock that changes meanwhile is unjust to nobody.
  double spent = 0.0;
  for (int round = 0; round < kFinalRounds && spent < kFinalSeconds; ++round) {
    for (Timed& finalist : finalists) {
      const double seconds = time(descriptors, final_, candidates[finalist.index]);
      finalist.seconds = std::min(finalist.seconds, seconds);
      if (seconds != kNever) spent += seconds * repeats_of(final_);
    }
    const double best = std::ranges::min(finalists, {}, &Timed::seconds).seconds;
    std::erase_if(finalists, [&](const Timed& t) {
      return t.seconds > best * kRoundSlack && t.index != first;
    });
  }
  const Timed best = std::ranges::min(finalists, {}, &Timed::seconds);
  if (best.seconds == kNever) return std::nullopt;
  const Timed& of_first = *std::ranges::find(finalists, first, &Timed::index);
  const Timed& chosen = best.seconds * kMinGain < of_first.seconds ? best : of_first;
  const double work = final_.flops() * 1e-12;
  return Result{chosen.index, work / chosen.seconds, work / of_first.seconds};
}

double GemmTuning::time(GemmDescriptors& descriptors, const GemmProduct& product,
                        const cublasLtMatmulAlgo_t& algorithm) {
  const int repeats = repeats_of(product);
  LONGHAUL_CUDA_CHECK(cudaEventRecord(begin_.get(), stream_), product.text());
  for (int i = 0; i < repeats; ++i) {
    if (library_.launch(descriptors, product, algorithm, stream_) != CUBLAS_STATUS_SUCCESS) {
      return kNever;
    }
  }
  LONGHAUL_CUDA_CHECK(cudaEventRecord(end_.get(), stream_), product.text());
  LONGHAUL_CUDA_CHECK(cudaEventSynchronize(end_.get()), product.text());
  float milliseconds = 0.0F;
  LONGHAUL_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()),
                      product.text());
  return std::max(static_cast<double>(milliseconds), 1e-4) * 1e-3 / repeats;
}

}  // namespace longhaul
