#include "compute/backend_fixture.h"
#include "compute/timing.h"

namespace longhaul {
namespace {

using reference::Matrix;

class RopeTest : public BackendTest {
 protected:
  struct Table {
    Matrix angles;
    DeviceMatrix cos, sin;
    [[nodiscard]] RopeTable view() const { return {cos.floats(), sin.floats(), angles.rows}; }
  };
  [[nodiscard]] Table make_table(std::int64_t positions, std::int64_t dim) const {
    Matrix angles(positions, dim / 2);
    Matrix cos = angles;
    Matrix sin = angles;
    for (std::int64_t p = 0; p < positions; ++p) {
      for (std::int64_t i = 0; i < dim / 2; ++i) {
        const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(dim);
        angles.at(p, i) = static_cast<double>(p) * std::pow(10000.0, -exponent);
        cos.at(p, i) = std::cos(angles.at(p, i));
        sin.at(p, i) = std::sin(angles.at(p, i));
      }
    }
    return {angles, upload_f32(cos), upload_f32(sin)};
  }
};

TEST_P(RopeTest, TurnsPairsAndTurnsThemBack) {
  for (const std::int64_t dim : {2, 16, 24, 64, 128}) {
    for (const int heads : {1, 3}) {
      const Table table = make_table(90, dim);
      std::vector<std::int32_t> positions;  // documents restart; not in order, with repeats
      for (int i = 0; i < 200; ++i) positions.push_back(i * 7 % 90);
      const Matrix x = random(200, heads * dim, 1);
      const std::int64_t gap = row_gap(heads == 1 ? Rows::aligned : Rows::unaligned, 4);
      const DeviceInts device_positions = upload(positions);

      const DeviceMatrix forward = upload(x, gap);
      backend_.ops->rope(forward.view(), heads, device_positions.data(), table.view(),
                         RopeDirection::forward);
      expect_close(forward.download(), reference::rope(x, heads, positions, table.angles, 1.0),
                   tolerance(), "forward");

      const DeviceMatrix backward = upload(x, gap);
      backend_.ops->rope(backward.view(), heads, device_positions.data(), table.view(),
                         RopeDirection::backward);
      expect_close(backward.download(), reference::rope(x, heads, positions, table.angles, -1.0),
                   tolerance(), "backward");

      backend_.ops->rope(forward.view(), heads, device_positions.data(), table.view(),
                         RopeDirection::backward);
      // Each of the pair brings the rounding of both, and may be several times the element itself.
      expect_close(forward.download(), x, (dtype_ == DType::bf16 ? 4 : 2) * tolerance(),
                   "there and back");
    }
  }
  print_kernel_timings(backend_, "rope");
}

TEST_P(RopeTest, WithTheNormOfHeadsBeforeIt) {
  for (const std::int64_t dim : {2, 24, 64, 128, 256}) {
    for (const int heads : {1, 5}) {
      SCOPED_TRACE(testing::Message() << heads << " heads of " << dim);
      const Table table = make_table(90, dim);
      std::vector<std::int32_t> positions;
      for (int i = 0; i < 150; ++i) positions.push_back(i * 7 % 90);
      const DeviceInts device_positions = upload(positions);
      const Matrix x = random(150, heads * dim, 2);
      const Matrix weight = random(1, dim, 3);
      const Matrix dy = random(150, heads * dim, 4);
      const DeviceMatrix device_x = upload(x, 8);
      const DeviceMatrix device_weight = upload(weight);

      Matrix inv_rms;
      const Matrix normed = reference::rms_norm(x, heads, weight, 1e-6, inv_rms);
      const DeviceMatrix y = poisoned(150, heads * dim, 16);
      const DeviceMatrix device_inv_rms = poisoned_f32(150, heads);
      backend_.ops->head_norm_rope_forward(device_x.view(), heads, device_weight.view().data, 1e-6F,
                                           device_positions.data(), table.view(), y.view(),
                                           device_inv_rms.floats());
      expect_close(y.download(), reference::rope(normed, heads, positions, table.angles, 1.0),
                   tolerance(), "y");
      expect_close(device_inv_rms.download(), inv_rms, 1e-5, "inv_rms");

      const auto expected = reference::rms_norm_backward(
          reference::rope(dy, heads, positions, table.angles, -1.0), x, heads, weight, 1e-6);
      const DeviceMatrix d = upload(dy, 16);
      const DeviceMatrix dweight = upload_f32(Matrix(1, dim, 0.25));
      backend_.ops->head_norm_rope_backward(
          d.view(), device_x.view(), heads, device_weight.view().data, device_inv_rms.floats(),
          device_positions.data(), table.view(), dweight.floats());
      expect_close(d.download(), expected.dx, 2 * tolerance(), "dx");
      expect_close(dweight.download(), reference::sum(expected.dweight, Matrix(1, dim, 0.25)), 2e-5,
                   "dweight");
    }
  }
  print_kernel_timings(backend_, "head_norm_rope");
}

LONGHAUL_BACKEND_TESTS(RopeTest);

}  // namespace
}  // namespace longhaul
