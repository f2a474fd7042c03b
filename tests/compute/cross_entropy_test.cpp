#include "compute/backend_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;

constexpr std::int64_t kRows = 45;
constexpr std::int64_t kVocab = 1000;

class CrossEntropyTest : public BackendTest {
 protected:
  /// The CPU adds exponentials in fp64 within a part and fp32 between parts, GPUs in fp32 from
  /// approximations good to about 2^-22.
  [[nodiscard]] double loss_tolerance() const { return dtype_ == DType::bf16 ? 2e-6 : 5e-7; }

  struct Loss {
    Matrix nll, lse;
  };

  /// The vocabulary cut in `parts`, each padded with columns of huge logits that must be ignored.
  [[nodiscard]] Loss loss_in_parts(const Matrix& logits, const std::vector<std::int32_t>& targets,
                                   int parts) const {
    constexpr std::int64_t kPadding = 3;
    const std::int64_t width = logits.cols / parts;
    const DeviceInts device_targets = upload(targets);
    const DeviceMatrix partials = poisoned_f32(parts * logits.rows, kCrossEntropyPartials);
    for (int part = 0; part < parts; ++part) {
      Matrix columns(logits.rows, width + kPadding, 1e4);
      for (std::int64_t r = 0; r < logits.rows; ++r) {
        for (std::int64_t c = 0; c < width; ++c) columns.at(r, c) = logits.at(r, part * width + c);
      }
      backend_.ops->cross_entropy_partials(
          upload(columns, parts == 1 ? 5 : 2).view(), width, device_targets.data(), part * width,
          partials.floats() + part * logits.rows * kCrossEntropyPartials);
    }
    const DeviceMatrix nll = poisoned_f32(logits.rows, 1);
    const DeviceMatrix lse = poisoned_f32(logits.rows, 1);
    backend_.ops->cross_entropy_combine(partials.floats(), parts, logits.rows, nll.floats(),
                                        lse.floats());
    return {nll.download(), lse.download()};
  }

  static std::vector<std::int32_t> make_targets() {
    std::vector<std::int32_t> targets;
    for (std::int32_t r = 0; r < kRows; ++r) targets.push_back(r * 37 % kVocab);
    return targets;
  }
};

TEST_P(CrossEntropyTest, AnyNumberOfVocabularyPartsGivesTheSameLoss) {
  const Matrix logits = random(kRows, kVocab, 1, 4.0);
  const std::vector<std::int32_t> targets = make_targets();
  const Matrix expected_lse = reference::log_sum_exp(logits, kVocab);
  Matrix expected_nll = expected_lse;
  for (std::int64_t r = 0; r < kRows; ++r) {
    expected_nll.at(r, 0) -= logits.at(r, targets[static_cast<std::size_t>(r)]);
  }
  for (const int parts : {1, 2, 4}) {
    const Loss loss = loss_in_parts(logits, targets, parts);
    expect_close(loss.nll, expected_nll, loss_tolerance(), "nll");
    expect_close(loss.lse, expected_lse, loss_tolerance(), "lse");
  }
  print_kernel_timings(backend_, "cross_entropy_partials");
  print_kernel_timings(backend_, "cross_entropy_combine");
}

TEST_P(CrossEntropyTest, PartsWithoutValidColumnsAddNothing) {
  // A small vocabulary on many ranks: the last rank holds padding only.
  const Matrix logits = random(3, 8, 2);
  const DeviceInts targets = upload(std::vector<std::int32_t>{0, 3, 7});
  const DeviceMatrix partials = poisoned_f32(6, kCrossEntropyPartials);
  backend_.ops->cross_entropy_partials(upload(logits).view(), 8, targets.data(), 0,
                                       partials.floats());
  backend_.ops->cross_entropy_partials(upload(Matrix(3, 8, 50.0)).view(), 0, targets.data(), 8,
                                       partials.floats() + 3 * kCrossEntropyPartials);
  const DeviceMatrix nll = poisoned_f32(3, 1);
  const DeviceMatrix lse = poisoned_f32(3, 1);
  backend_.ops->cross_entropy_combine(partials.floats(), 2, 3, nll.floats(), lse.floats());
  expect_close(lse.download(), reference::log_sum_exp(logits, 8), loss_tolerance(), "lse");
}

TEST_P(CrossEntropyTest, LargeLogitsDoNotOverflow) {
  Matrix logits(2, 600, 0.0);
  logits.at(0, 5) = 3000.0;
  logits.at(1, 5) = -3000.0;
  logits = rounded(logits, dtype_);
  const Loss loss = loss_in_parts(logits, {5, 5}, 2);
  EXPECT_NEAR(loss.nll.at(0, 0), 0.0, 1e-6);
  EXPECT_NEAR(loss.nll.at(1, 0), -logits.at(1, 5) + std::log(599.0), 1e-3);
}

TEST_P(CrossEntropyTest, ANanLogitMakesTheLossNan) {
  for (const std::int64_t column : {0, 17, 599}) {
    for (const std::int32_t target : {3, 599}) {
      Matrix logits(1, 600, 0.5);
      logits.at(0, column) = std::numeric_limits<double>::quiet_NaN();
      for (const int parts : {1, 2}) {
        EXPECT_TRUE(std::isnan(loss_in_parts(logits, {target}, parts).nll.at(0, 0)))
            << "column " << column << ", target " << target << ", parts " << parts;
      }
    }
  }
}

TEST_P(CrossEntropyTest, BackwardIsWeightedSoftmaxMinusOnehot) {
  constexpr std::int64_t kValid = 990;
  const Matrix logits = random(kRows, kVocab, 3, 3.0);
  std::vector<std::int32_t> targets = make_targets();
  for (std::int32_t& target : targets) target = static_cast<std::int32_t>(target % kValid);
  Matrix weights = rounded(reference::random_matrix(kRows, 1, 4), DType::f32);
  weights.at(7, 0) = 0.0;
  const Matrix lse = reference::log_sum_exp(logits, kValid);
  const Matrix expected = reference::cross_entropy_gradient(logits, kValid, targets, weights);

  for (const int parts : {1, 2}) {
    const std::int64_t width = kVocab / parts;
    for (int part = 0; part < parts; ++part) {
      const std::int64_t begin = part * width;
      Matrix columns(kRows, width);
      Matrix expected_columns(kRows, width);
      for (std::int64_t r = 0; r < kRows; ++r) {
        for (std::int64_t c = 0; c < width; ++c) {
          columns.at(r, c) = logits.at(r, begin + c);
          expected_columns.at(r, c) = expected.at(r, begin + c);
        }
      }
      const DeviceMatrix device = upload(columns, parts == 1 ? 8 : 6);
      backend_.ops->cross_entropy_backward(device.view(), std::min(width, kValid - begin),
                                           upload(targets).data(), begin,
                                           upload_f32(weights).floats(), upload_f32(lse).floats());
      // exp(x - lse) sees the rounding of lse: |lse| * 2^-24, about 6e-7 here.
      expect_close(device.download(), expected_columns, tolerance(), "dlogits");
    }
  }
  print_kernel_timings(backend_, "cross_entropy_backward");
}

TEST_P(CrossEntropyTest, WeightedSumAddsToWhatIsThere) {
  for (const std::int64_t rows : {0, 1, 31, 5000}) {
    const Matrix nll = rounded(reference::random_matrix(1, rows, 21), DType::f32);
    const Matrix weights = rounded(reference::random_matrix(1, rows, 22), DType::f32);
    const DeviceMatrix device_nll = upload_f32(nll);
    const DeviceMatrix device_weights = upload_f32(weights);
    const DeviceBuffer sum(*backend_.device, sizeof(double));
    double value = 2.5;
    backend_.device->copy_to_device(sum.data(), &value, sizeof value,
                                    backend_.device->compute_stream());
    backend_.ops->weighted_sum(device_nll.floats(), device_weights.floats(), rows,
                               static_cast<double*>(sum.data()));
    backend_.device->copy_to_host(&value, sum.data(), sizeof value,
                                  backend_.device->compute_stream());
    backend_.device->synchronize(backend_.device->compute_stream());
    double expected = 2.5;
    for (std::int64_t i = 0; i < rows; ++i) expected += nll.at(0, i) * weights.at(0, i);
    EXPECT_NEAR(value, expected, 1e-9) << rows;
  }
  print_kernel_timings(backend_, "weighted_sum");
}

LONGHAUL_BACKEND_TESTS(CrossEntropyTest);

}  // namespace
}  // namespace longhaul
