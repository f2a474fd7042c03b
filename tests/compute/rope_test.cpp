#include "compute/backend_fixture.h"

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
      const DeviceInts device_positions = upload(positions);

      const DeviceMatrix forward = upload(x, 4);
      backend_->rope(forward.view(), heads, device_positions.data(), table.view(),
                     RopeDirection::forward);
      expect_close(forward.download(), reference::rope(x, heads, positions, table.angles, 1.0),
                   tolerance(), "forward");

      const DeviceMatrix backward = upload(x, 4);
      backend_->rope(backward.view(), heads, device_positions.data(), table.view(),
                     RopeDirection::backward);
      expect_close(backward.download(), reference::rope(x, heads, positions, table.angles, -1.0),
                   tolerance(), "backward");

      backend_->rope(forward.view(), heads, device_positions.data(), table.view(),
                     RopeDirection::backward);
      expect_close(forward.download(), x, 2 * tolerance(), "there and back");
    }
  }
}

LONGHAUL_BACKEND_TESTS(RopeTest);

}  // namespace
}  // namespace longhaul
