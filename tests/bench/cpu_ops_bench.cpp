// Times every op of the CPU backend on the shapes of a small model.
//
//   cpu_ops_bench [threads] [tokens] [head_dim] [part of an op's name]
//
// One line an op: the best of many calls in microseconds, and what it comes to: GFLOP/s where
// arithmetic counts, GB/s of operands read and written once where memory does. The best call is
// shown, not the mean, because other work on the machine only ever adds time; with one thread its
// processor time is taken for the same reason, with more the time on the clock.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "compute/backend.h"

namespace longhaul {
namespace {

constexpr std::int64_t kHidden = 512;
constexpr std::int64_t kFfn = 1536;
constexpr std::int64_t kVocab = 32000;
constexpr int kHeads = 8;
constexpr int kKvHeads = 4;

enum class Unit { gflops, gigabytes };

class Bench {
 public:
  Bench(int threads, std::int64_t tokens, int head_dim, std::string only)
      : threads_(threads),
        backend_(make_cpu_backend(threads)),
        tokens_(tokens),
        head_dim_(head_dim),
        only_(std::move(only)) {}

  void run() {
    fmt::print("{}; T {}, H {}, heads {}/{}, D {}, F {}, V {}\n", backend_->describe(), tokens_,
               kHidden, kHeads, kKvHeads, head_dim_, kFfn, kVocab);
    linear();
    attention();
    norms();
    swiglu();
    rope();
    cross_entropy();
    elementwise();
  }

 private:
  MatrixView random(std::int64_t rows, std::int64_t cols) {
    buffers_.emplace_back(*backend_, static_cast<std::size_t>(rows * cols) * sizeof(float));
    auto* const data = static_cast<float*>(buffers_.back().data());
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      data[i] = static_cast<float>(generator_()) * 0x1p-30F - 1.0F;
    }
    return {data, DType::f32, rows, cols};
  }

  /// Seconds from some moment on.
  [[nodiscard]] double now() const {
    timespec time{};
    clock_gettime(threads_ == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  /// work: FLOP or bytes of one call.
  void time(const std::string& name, Unit unit, double work, const std::function<void()>& call) {
    if (name.find(only_) == std::string::npos) return;
    constexpr double kSeconds = 0.4;
    constexpr int kMostCalls = 300;
    call();
    double best = 1e30;
    const double start = now();
    for (int i = 0; i < kMostCalls; ++i) {
      const double before = now();
      call();
      const double after = now();
      best = std::min(best, after - before);
      if (i >= 4 && after - start > kSeconds) break;
    }
    fmt::print("{:<34} {:>10.1f} us {:>8.1f} {}\n", name, best * 1e6, work / best * 1e-9,
               unit == Unit::gflops ? "GFLOP/s" : "GB/s");
  }

  void linear() {
    const MatrixView x = random(tokens_, kHidden);
    const MatrixView w = random(2 * kFfn, kHidden);
    const MatrixView y = random(tokens_, 2 * kFfn);
    const MatrixView bias = random(1, 2 * kFfn);
    const double flops = 2.0 * static_cast<double>(tokens_ * kHidden * 2 * kFfn);
    time("linear_forward H -> 2F", Unit::gflops, flops,
         [&] { backend_->linear_forward(x, w, nullptr, y); });
    time("linear_forward H -> 2F, bias", Unit::gflops, flops,
         [&] { backend_->linear_forward(x, w, bias.data, y); });
    time("linear_backward_input", Unit::gflops, flops,
         [&] { backend_->linear_backward_input(y, w, x, Write::overwrite); });
    time("linear_backward_weight", Unit::gflops, flops,
         [&] { backend_->linear_backward_weight(y, x, w); });
    time("bias_backward 2F", Unit::gigabytes, 4.0 * static_cast<double>(y.size()),
         [&] { backend_->bias_backward(y, bias.as<float>()); });
  }

  void attention() {
    const AttentionHeads heads{kHeads, kKvHeads, head_dim_,
                               1.0F / std::sqrt(static_cast<float>(head_dim_))};
    const std::int64_t q_cols = std::int64_t{kHeads} * head_dim_;
    const std::int64_t kv_cols = std::int64_t{kKvHeads} * head_dim_;
    const MatrixView q = random(tokens_, q_cols);
    const MatrixView kv = random(tokens_, 2 * kv_cols);
    const MatrixView o = random(tokens_, q_cols);
    const MatrixView d_o = random(tokens_, q_cols);
    const MatrixView dq = random(tokens_, q_cols);
    const MatrixView dkv = random(tokens_, 2 * kv_cols);
    const MatrixView lse = random(kHeads, tokens_);
    const DeviceBuffer workspace(*backend_, backend_->workspace_bytes(tokens_, tokens_, heads));
    backend_->set_workspace(workspace.data(), workspace.bytes());
    for (const std::int64_t length : {tokens_, std::int64_t{100}}) {
      std::vector<AttentionSegment> segments;
      double pairs = 0.0;
      for (std::int64_t begin = 0; begin < tokens_; begin += length) {
        const auto first = static_cast<std::int32_t>(begin);
        const auto count = static_cast<std::int32_t>(std::min(length, tokens_ - begin));
        segments.push_back({first, count, first, count});
        pairs += 0.5 * count * (count + 1.0);
      }
      const double flops = 4.0 * pairs * static_cast<double>(q_cols);
      const MatrixView k = kv.col_range(0, kv_cols);
      const MatrixView v = kv.col_range(kv_cols, kv_cols);
      time(fmt::format("attention_forward, documents {}", length), Unit::gflops, flops,
           [&] { backend_->attention_forward(q, k, v, segments, heads, o, lse.as<float>()); });
      time(fmt::format("attention_backward, documents {}", length), Unit::gflops, 2.5 * flops, [&] {
        backend_->attention_backward(q, k, v, o, lse.as<float>(), d_o, segments, heads, dq,
                                     dkv.col_range(0, kv_cols), dkv.col_range(kv_cols, kv_cols));
      });
    }
    backend_->set_workspace(nullptr, 0);
  }

  void norms() {
    const MatrixView x = random(tokens_, kHidden);
    const MatrixView y = random(tokens_, kHidden);
    const MatrixView dx = random(tokens_, kHidden);
    const MatrixView weight = random(1, kHidden);
    const MatrixView dweight = random(1, kHidden);
    const MatrixView inv_rms = random(tokens_, kHeads);
    const double bytes = 4.0 * static_cast<double>(x.size());
    for (const int groups : {1, kHeads}) {
      time(groups == 1 ? "rms_norm_forward H" : "rms_norm_forward, heads", Unit::gigabytes,
           2 * bytes, [&] {
             backend_->rms_norm_forward(x, groups, weight.data, 1e-6F, y, inv_rms.as<float>());
           });
      time(groups == 1 ? "rms_norm_backward H" : "rms_norm_backward, heads", Unit::gigabytes,
           3 * bytes, [&] {
             backend_->rms_norm_backward(y, x, groups, weight.data, inv_rms.as<float>(), dx,
                                         Write::overwrite, dweight.as<float>());
           });
    }
  }

  void swiglu() {
    const MatrixView gate_up = random(tokens_, 2 * kFfn);
    const MatrixView d_gate_up = random(tokens_, 2 * kFfn);
    const MatrixView act = random(tokens_, kFfn);
    const double bytes = 4.0 * static_cast<double>(act.size());
    time("swiglu_forward", Unit::gigabytes, 3 * bytes,
         [&] { backend_->swiglu_forward(gate_up, act); });
    time("swiglu_backward", Unit::gigabytes, 5 * bytes,
         [&] { backend_->swiglu_backward(act, gate_up, d_gate_up); });
  }

  void rope() {
    const MatrixView x = random(tokens_, std::int64_t{kHeads} * head_dim_);
    const MatrixView cos = random(tokens_, head_dim_ / 2);
    const MatrixView sin = random(tokens_, head_dim_ / 2);
    const RopeTable table{cos.as<float>(), sin.as<float>(), tokens_};
    std::vector<std::int32_t> positions;
    for (std::int64_t i = 0; i < tokens_; ++i) positions.push_back(static_cast<std::int32_t>(i));
    time("rope", Unit::gigabytes, 8.0 * static_cast<double>(x.size()),
         [&] { backend_->rope(x, kHeads, positions.data(), table, RopeDirection::forward); });
  }

  void cross_entropy() {
    const std::int64_t rows = std::max<std::int64_t>(1, tokens_ / 4);
    const MatrixView logits = random(rows, kVocab);
    const MatrixView partials = random(rows, kCrossEntropyPartials);
    const MatrixView nll = random(rows, 1);
    const MatrixView lse = random(rows, 1);
    const MatrixView weights = random(rows, 1);
    const std::vector<std::int32_t> targets(static_cast<std::size_t>(rows), 17);
    const double bytes = 4.0 * static_cast<double>(logits.size());
    time("cross_entropy_partials, T/4 rows", Unit::gigabytes, bytes, [&] {
      backend_->cross_entropy_partials(logits, kVocab, targets.data(), 0, partials.as<float>());
    });
    backend_->cross_entropy_combine(partials.as<float>(), 1, rows, nll.as<float>(),
                                    lse.as<float>());
    time("cross_entropy_backward, T/4 rows", Unit::gigabytes, 2 * bytes, [&] {
      backend_->cross_entropy_backward(logits, kVocab, targets.data(), 0, weights.as<float>(),
                                       lse.as<float>());
    });
  }

  void elementwise() {
    constexpr std::int64_t kCount = std::int64_t{8} << 20;
    const MatrixView table = random(kVocab, kHidden);
    const MatrixView rows = random(tokens_, kHidden);
    const MatrixView other = random(tokens_, kHidden);
    std::vector<std::int32_t> ids;
    for (std::int64_t i = 0; i < tokens_; ++i) {
      ids.push_back(static_cast<std::int32_t>(generator_() % kVocab));
    }
    const double bytes = 4.0 * static_cast<double>(rows.size());
    time("embedding_forward", Unit::gigabytes, 2 * bytes,
         [&] { backend_->embedding_forward(ids.data(), table, 0, rows); });
    time("embedding_backward", Unit::gigabytes, 3 * bytes,
         [&] { backend_->embedding_backward(ids.data(), rows, 0, table); });
    time("add", Unit::gigabytes, 3 * bytes, [&] { backend_->add(rows, other); });

    const MatrixView master = random(1, kCount);
    const MatrixView exp_avg = random(1, kCount);
    const MatrixView exp_avg_sq = random(1, kCount);
    const MatrixView grad = random(1, kCount);
    const MatrixView weight = random(1, kCount);
    for (std::int64_t i = 0; i < kCount; ++i) exp_avg_sq.as<float>()[i] = 0.5F;
    AdamWStep step{master.as<float>(), exp_avg.as<float>(), exp_avg_sq.as<float>(),
                   grad.as<float>(),   weight.data,         kCount};
    step.learning_rate = 1e-4F;
    time("adamw, 8M", Unit::gigabytes, 32.0 * kCount, [&] { backend_->adamw(step); });
    double sum = 0.0;
    time("sum_of_squares, 8M", Unit::gigabytes, 4.0 * kCount,
         [&] { backend_->sum_of_squares(grad.as<float>(), kCount, &sum); });
    time("accumulate, 8M", Unit::gigabytes, 12.0 * kCount,
         [&] { backend_->accumulate(grad.as<float>(), master.as<float>(), kCount); });
    const MatrixView copy = random(1, kCount);
    time("copy_on_device, 8M", Unit::gigabytes, 8.0 * kCount, [&] {
      backend_->copy_on_device(copy.data, grad.data, 4 * kCount, backend_->compute_stream());
    });
  }

  int threads_;
  std::unique_ptr<Backend> backend_;
  std::int64_t tokens_;
  int head_dim_;
  std::string only_;
  std::minstd_rand generator_{1};
  std::vector<DeviceBuffer> buffers_;
};

}  // namespace
}  // namespace longhaul

int main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::max(1, std::atoi(argv[i])) : otherwise;
  };
  longhaul::Bench(argument(1, 2), argument(2, 1024), argument(3, 64), argc > 4 ? argv[4] : "")
      .run();
  return 0;
}
