#include "compute/attention_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;

class AttentionTest : public AttentionFixture {};

TEST_P(AttentionTest, OneDocumentOfAnyLength) {
  for (const int length : {1, 2, 17, 64, 129, 300}) {
    SCOPED_TRACE(length);
    expect_matches_reference({2, 1, 32, length, length, {{0, length, 0, length}}}, 1);
  }
  print_attention_timings(backend_);
}

TEST_P(AttentionTest, AnyGroupingOfHeads) {
  const int groupings[][2] = {{1, 1}, {3, 3}, {4, 2}, {6, 2}, {8, 1}, {14, 2}, {5, 1}};
  for (const auto& [heads, kv_heads] : groupings) {
    for (const int dim : {16, 64, 128}) {
      // The sums of fp32 over 128 columns need more room than the tests of fp32 give.
      if (dim == 128 && dtype_ == DType::f32) continue;
      SCOPED_TRACE(testing::Message() << heads << " heads on " << kv_heads << " of " << dim);
      expect_matches_reference({heads, kv_heads, dim, 90, 90, {{0, 70, 0, 70}, {70, 20, 70, 20}}},
                               2);
    }
  }
}

TEST_P(AttentionTest, AnyHeadDimension) {
  for (const int dim : {16, 24, 64, 80, 128, 256}) {
    SCOPED_TRACE(dim);
    expect_matches_reference({4, 2, dim, 40, 40, {{0, 40, 0, 40}}}, 3);
  }
}

TEST_P(AttentionTest, MoreQueryHeadsThanATileHasRows) {
  expect_matches_reference({130, 1, 16, 9, 9, {{0, 9, 0, 9}}}, 4);
}

TEST_P(AttentionTest, ManyTinySegments) {
  for (const int dim : {16, 64, 128}) {
    AttentionProblem p{4, 2, dim, 120, 120, {}};
    for (std::int32_t begin = 0, length = 1; begin + length <= 120;
         begin += length, length = length % 5 + 1) {
      p.segments.push_back({begin, length, begin, length});
    }
    expect_matches_reference(p, 5);
  }
}

TEST_P(AttentionTest, QueriesAtTheEndOfLongerKeys) {
  // One query on 290 keys; a chunk in the middle of a document; keys elsewhere than queries.
  for (const int dim : {32, 64, 128}) {
    expect_matches_reference(
        {4, 2, dim, 100, 600, {{0, 1, 5, 290}, {1, 60, 295, 200}, {61, 39, 495, 39}}}, 6);
  }
}

TEST_P(AttentionTest, SegmentsThatShareKeysAddTheirGradients) {
  // What a context-parallel rank has: two chunks of one document, seen from its beginning.
  for (const int dim : {16, 64, 128}) {
    expect_matches_reference({2, 1, dim, 80, 400, {{0, 40, 10, 50}, {40, 40, 10, 380}}}, 7);
  }
}

TEST_P(AttentionTest, KeyGradientsCanOverwrite) {
  // Keys 5-24 and 40-79 belong to a document each (the second one's queries are its end); the
  // others to nobody.
  const AttentionProblem p{4, 2, 32, 60, 90, {{5, 20, 5, 20}, {30, 25, 40, 40}}};
  const Inputs in = make_inputs(p, 14);
  const Matrix dkv = overwritten_dkv(p, in);
  const auto expected = reference::attention_backward(in.q, in.k, in.v, in.d_o, p.segments, p.heads,
                                                      p.kv_heads, p.shape().scale);
  for (std::int64_t r = 0; r < p.kv_rows; ++r) {
    const bool owned = (r >= 5 && r < 25) || (r >= 40 && r < 80);
    for (std::int64_t c = 0; c < in.k.cols; ++c) {
      for (const auto& [got, want] : {std::pair(dkv.at(r, c), expected.dk.at(r, c)),
                                      std::pair(dkv.at(r, in.k.cols + c), expected.dv.at(r, c))}) {
        if (owned) {
          EXPECT_NEAR(got, want, backward_tolerance() * std::max(1.0, std::abs(want))) << r;
        } else {
          EXPECT_TRUE(std::isnan(got)) << "written at row " << r;
        }
      }
    }
  }
}

TEST_P(AttentionTest, RowsOutsideEverySegmentAreLeftAlone) {
  // Rows 0-4, 25-29 and 50-59 belong to nobody; the fixture's poison has to survive there.
  for (const int dim : {16, 64, 128}) {
    expect_matches_reference({2, 2, dim, 60, 60, {{5, 20, 5, 20}, {30, 20, 30, 20}}}, 8);
  }
}

TEST_P(AttentionTest, LongDocumentsBesideShortOnes) {
  // Lengths of several classes, which a library may treat in several calls. A CPU, which treats all
  // lengths alike, gets a tenth of them.
  AttentionProblem p{2, 1, 64, 0, 0, {}};
  std::int32_t begin = 0;
  for (const std::int32_t length : {37, 1150, 513, 1, 1030}) {
    const std::int32_t taken = dtype_ == DType::bf16 ? length : (length + 9) / 10;
    p.segments.push_back({begin, taken, begin, taken});
    begin += taken;
  }
  p.q_rows = p.kv_rows = begin;
  for (const int dim : {64, 128}) {
    if (dim == 128 && dtype_ == DType::f32) continue;  // as above
    p.head_dim = dim;
    expect_matches_reference(p, 15);
  }
}

TEST_P(AttentionTest, LongChunksSeeTheKeysBeforeThem) {
  // What a context-parallel rank has of long documents: two chunks of one, the end of another. A
  // CPU gets a tenth.
  const std::int32_t part = dtype_ == DType::bf16 ? 1 : 10;
  const std::int32_t chunk = 420 / part;
  AttentionProblem p{2, 1, 64, 3 * chunk, 5 * chunk, {}};
  p.segments = {{0, chunk, 7, chunk + 100 / part},
                {chunk, chunk, 7, 3 * chunk - 30 / part},
                {2 * chunk, chunk - 7, 3 * chunk + 20 / part, 2 * chunk - 40 / part}};
  for (const int dim : {64, 128}) {
    if (dim == 128 && dtype_ == DType::f32) continue;  // as above
    p.head_dim = dim;
    expect_matches_reference(p, 16);
  }
}

TEST_P(AttentionTest, NoSegmentsIsNothing) {
  const AttentionProblem p{2, 1, 16, 12, 12, {}};
  const Outputs out = run(p, make_inputs(p, 9), 0.5);
  for (const double value : out.o.values) EXPECT_TRUE(std::isnan(value));
  expect_close(out.dk, Matrix(12, 16, 0.5), 0.0, "dk");
}

TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  const AttentionProblem p{1, 1, 16, 300, 300, {{0, 300, 0, 300}}};
  Inputs in = make_inputs(p, 10);
  for (double& value : in.q.values) value = rounded(value * 60.0, dtype_);
  const auto expected = reference::attention(in.q, in.k, in.v, p.segments, 1, 1, p.shape().scale);
  const Outputs out = run(p, in);
  // Scores of several hundred carry fp32 errors near 1e-4 into the exponent.
  expect_close(out.o, expected.o, dtype_ == DType::bf16 ? 5e-2 : 1e-3, "o");
  expect_close(out.lse, expected.lse, lse_tolerance(), "lse");
}

TEST_P(AttentionTest, SegmentsOutsideTheStreamAreRefused) {
  const AttentionProblem p{2, 1, 16, 12, 12, {{4, 9, 0, 12}}};
  try {
    (void)run(p, make_inputs(p, 11));
    FAIL() << "queries 4 to 13 of 12 were accepted";
  } catch (const InternalError& error) {
    EXPECT_NE(std::string(error.what()).find("queries 4 + 9"), std::string::npos) << error.what();
  }
}

TEST_P(AttentionTest, AWorkspaceThatIsTooSmallIsRefused) {
  const DeviceMatrix q = upload(random(8, 32, 12));
  const DeviceMatrix kv = upload(random(8, 32, 13));
  const DeviceMatrix o = poisoned(8, 32);
  const DeviceMatrix lse = poisoned_f32(2, 8);
  const std::vector<AttentionSegment> segments{{0, 8, 0, 8}};
  backend_.ops->set_workspace({}, nullptr, 0);
  EXPECT_THROW(backend_.ops->attention_forward(q.view(), kv.view().col_range(0, 16),
                                               kv.view().col_range(16, 16), segments,
                                               {2, 1, 16, 0.25F}, o.view(), lse.floats()),
               InternalError);
}

TEST(AttentionReference, GradientsAgreeWithFiniteDifferences) {
  const std::vector<AttentionSegment> segments{{0, 3, 0, 5}, {3, 4, 5, 4}};
  const Matrix q = reference::random_matrix(7, 4 * 6, 1);
  const Matrix k = reference::random_matrix(9, 2 * 6, 2);
  const Matrix v = reference::random_matrix(9, 2 * 6, 3);
  const Matrix d_o = reference::random_matrix(7, 4 * 6, 4);
  const auto gradients = reference::attention_backward(q, k, v, d_o, segments, 4, 2, 0.4);
  const auto loss = [&](const Matrix& a, const Matrix& b, const Matrix& c) {
    const Matrix o = reference::attention(a, b, c, segments, 4, 2, 0.4).o;
    double sum = 0.0;
    for (std::size_t i = 0; i < o.values.size(); ++i) sum += o.values[i] * d_o.values[i];
    return sum;
  };
  const auto check = [](Matrix at, const Matrix& gradient, const auto& f) {
    constexpr double kStep = 1e-5;
    for (std::size_t i = 0; i < at.values.size(); i += 5) {
      const double value = at.values[i];
      at.values[i] = value + kStep;
      const double above = f(at);
      at.values[i] = value - kStep;
      EXPECT_NEAR((above - f(at)) / (2 * kStep), gradient.values[i], 1e-7);
      at.values[i] = value;
    }
  };
  check(q, gradients.dq, [&](const Matrix& m) { return loss(m, k, v); });
  check(k, gradients.dk, [&](const Matrix& m) { return loss(q, m, v); });
  check(v, gradients.dv, [&](const Matrix& m) { return loss(q, k, m); });
}

LONGHAUL_BACKEND_TESTS(AttentionTest);

}  // namespace
}  // namespace longhaul
