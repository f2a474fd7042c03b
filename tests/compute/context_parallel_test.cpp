#include "compute/attention_fixture.h"

namespace longhaul {
namespace {

using reference::Matrix;

/// The stream cut as context-parallel ranks hold it (rank r has chunks r and 2 CP - 1 - r, and all
/// keys) must give what the uncut stream gives; gradients of keys and values add over the ranks.
class ContextParallelTest : public AttentionFixture {};

constexpr std::int32_t kStream = 192;
/// Documents of one token, of a few chunks, and one within a chunk.
const std::vector<std::int32_t> kBounds{0, 1, 100, 110, 111, 192};

/// The part of each document that lies in [begin, end), as rows from `local` on.
void append_chunk(std::int32_t begin, std::int32_t end, std::int32_t local,
                  std::vector<AttentionSegment>& segments) {
  for (std::size_t d = 0; d + 1 < kBounds.size(); ++d) {
    const std::int32_t first = std::max(begin, kBounds[d]);
    const std::int32_t last = std::min(end, kBounds[d + 1]);
    if (first >= last) continue;
    segments.push_back({local + first - begin, last - first, kBounds[d], last - kBounds[d]});
  }
}

TEST_P(ContextParallelTest, CutStreamEqualsUncutStream) {
  AttentionProblem whole{4, 2, 32, kStream, kStream, {}};
  append_chunk(0, kStream, 0, whole.segments);
  const Inputs in = make_inputs(whole, 21);
  const Outputs expected = run(whole, in);

  for (const int cp : {2, 4}) {
    const std::int32_t chunk = kStream / (2 * cp);
    Matrix dk(in.k.rows, in.k.cols);
    Matrix dv(in.v.rows, in.v.cols);
    for (int rank = 0; rank < cp; ++rank) {
      const std::int32_t begins[] = {rank * chunk, (2 * cp - 1 - rank) * chunk};
      AttentionProblem part{4, 2, 32, 2 * chunk, kStream, {}};
      append_chunk(begins[0], begins[0] + chunk, 0, part.segments);
      append_chunk(begins[1], begins[1] + chunk, chunk, part.segments);
      const auto rows_of_rank = [&](const Matrix& m) {
        Matrix local(2 * chunk, m.cols);
        for (std::int64_t r = 0; r < 2 * chunk; ++r) {
          for (std::int64_t c = 0; c < m.cols; ++c) {
            local.at(r, c) = m.at(begins[r / chunk] + r % chunk, c);
          }
        }
        return local;
      };
      const Outputs out = run(part, {rows_of_rank(in.q), in.k, in.v, rows_of_rank(in.d_o)});
      expect_close(out.o, rows_of_rank(expected.o), forward_tolerance(), "o");
      expect_close(out.dq, rows_of_rank(expected.dq), backward_tolerance(), "dq", kUnit);
      dk = reference::sum(dk, out.dk);
      dv = reference::sum(dv, out.dv);
    }
    expect_close(dk, expected.dk, backward_tolerance(), "dk", kUnit);
    expect_close(dv, expected.dv, backward_tolerance(), "dv", kUnit);
  }
}

LONGHAUL_BACKEND_TESTS(ContextParallelTest);

}  // namespace
}  // namespace longhaul
