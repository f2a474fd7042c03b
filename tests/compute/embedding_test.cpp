#include "compute/backend_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;

class EmbeddingTest : public BackendTest {};

constexpr std::int64_t kVocabBegin = 50;
constexpr std::int64_t kVocabRows = 20;
// Odd rows, and rows that a GPU reads 16 bytes at a time.
constexpr std::int64_t kWidths[] = {77, 520};

/// Ids of this rank's rows, of ranks before and after it, and many repeats.
std::vector<std::int32_t> make_ids(std::int64_t count) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<std::int32_t>(kVocabBegin - 5 + i * i % 31));
  }
  return ids;
}

TEST_P(EmbeddingTest, ForwardCopiesRowsAndZeroesForeignOnes) {
  for (const std::int64_t width : kWidths) {
    const std::vector<std::int32_t> ids = make_ids(300);
    const Matrix table = random(kVocabRows, width, 1);
    Matrix expected(300, width);
    for (std::int64_t r = 0; r < 300; ++r) {
      const std::int64_t id = ids[static_cast<std::size_t>(r)] - kVocabBegin;
      if (id < 0 || id >= kVocabRows) continue;
      for (std::int64_t c = 0; c < width; ++c) expected.at(r, c) = table.at(id, c);
    }
    const DeviceMatrix out = poisoned(300, width, width % 8 == 0 ? 8 : 3);
    backend_.ops->embedding_forward(upload(ids).data(), upload(table).view(), kVocabBegin,
                                    out.view());
    expect_close(out.download(), expected, 0.0, "embedded rows");
  }
  print_kernel_timings(backend_, "embedding_forward");
}

TEST_P(EmbeddingTest, BackwardAddsRowsInOrder) {
  for (const std::int64_t width : kWidths) {
    const std::vector<std::int32_t> ids = make_ids(300);
    const Matrix dout = random(300, width, 2);
    const Matrix before = rounded(reference::random_matrix(kVocabRows, width, 3), DType::f32);
    // Row order in fp32 is the contract, so the result is known to the bit.
    Matrix expected = before;
    for (std::int64_t r = 0; r < 300; ++r) {
      const std::int64_t id = ids[static_cast<std::size_t>(r)] - kVocabBegin;
      if (id < 0 || id >= kVocabRows) continue;
      for (std::int64_t c = 0; c < width; ++c) {
        expected.at(id, c) =
            static_cast<float>(expected.at(id, c)) + static_cast<float>(dout.at(r, c));
      }
    }
    expected = rounded(expected, DType::f32);
    const DeviceMatrix dtable = upload_f32(before);
    backend_.ops->embedding_backward(upload(ids).data(),
                                     upload(dout, width % 8 == 0 ? 8 : 1).view(), kVocabBegin,
                                     dtable.view());
    expect_close(dtable.download(), expected, 0.0, "dtable");
  }
  print_kernel_timings(backend_, "embedding_backward");
}

LONGHAUL_BACKEND_TESTS(EmbeddingTest);

}  // namespace
}  // namespace longhaul
