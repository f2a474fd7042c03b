#include "compute/backend_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;

class RowsTest : public BackendTest {};

TEST_P(RowsTest, GatherTakesRowsAndScatterPutsThemBack) {
  for (const Rows memory : {Rows::unaligned, Rows::aligned}) {
    const Matrix src = random(90, memory == Rows::aligned ? 1032 : 401, 1);
    std::vector<std::int32_t> rows;
    for (std::int32_t i = 0; i < 60; ++i) rows.push_back(i * 11 % 90);
    Matrix expected(60, src.cols);
    for (std::int64_t i = 0; i < 60; ++i) {
      for (std::int64_t c = 0; c < src.cols; ++c) {
        expected.at(i, c) = src.at(rows[static_cast<std::size_t>(i)], c);
      }
    }
    const DeviceInts device_rows = upload(rows);
    const DeviceMatrix gathered = poisoned(60, src.cols, row_gap(memory, 1));
    backend_.ops->gather_rows(upload(src, row_gap(memory, 2)).view(), device_rows.data(),
                              gathered.view());
    expect_close(gathered.download(), expected, 0.0, "gathered");

    const Matrix before = random(90, src.cols, 2);
    Matrix scattered = before;
    for (std::int64_t i = 0; i < 60; ++i) {
      for (std::int64_t c = 0; c < src.cols; ++c) {
        scattered.at(rows[static_cast<std::size_t>(i)], c) = expected.at(i, c);
      }
    }
    const DeviceMatrix dst = upload(before, row_gap(memory, 3));
    backend_.ops->scatter_rows(gathered.view(), device_rows.data(), dst.view());
    expect_close(dst.download(), scattered, 0.0, "scattered");
  }
  print_kernel_timings(backend_, "gather_rows");
  print_kernel_timings(backend_, "scatter_rows");
}

TEST_P(RowsTest, NoRowsIsNothing) {
  const Matrix before = random(4, 8, 3);
  const DeviceMatrix dst = upload(before);
  const DeviceMatrix none = poisoned(0, 8);
  backend_.ops->gather_rows(dst.view(), nullptr, none.view());
  backend_.ops->scatter_rows(none.view(), nullptr, dst.view());
  expect_close(dst.download(), before, 0.0, "untouched");
}

TEST_P(RowsTest, ReorderChunksPutsChunkIAtOrderI) {
  const std::vector<std::int32_t> order{0, 3, 1, 2};
  for (const std::int64_t cols : {33, 64}) {
    const Matrix src = random(4 * 5, cols, 4);
    Matrix expected(20, cols);
    for (std::int64_t chunk = 0; chunk < 4; ++chunk) {
      for (std::int64_t r = 0; r < 5; ++r) {
        for (std::int64_t c = 0; c < cols; ++c) {
          expected.at(order[static_cast<std::size_t>(chunk)] * 5 + r, c) = src.at(chunk * 5 + r, c);
        }
      }
    }
    const DeviceMatrix dst = poisoned(20, cols);
    backend_.ops->reorder_chunks(upload(src).view(), order, dst.view());
    expect_close(dst.download(), expected, 0.0, "reordered");
    // fp32 gradients are reordered too, whatever the weights' type is.
    const DeviceMatrix dst_f32 = poisoned_f32(20, cols);
    backend_.ops->reorder_chunks(upload_f32(src).view(), order, dst_f32.view());
    expect_close(dst_f32.download(), expected, 0.0, "reordered fp32");
  }
  print_kernel_timings(backend_, "reorder_chunks");
}

LONGHAUL_BACKEND_TESTS(RowsTest);

}  // namespace
}  // namespace longhaul
