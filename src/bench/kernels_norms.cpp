// RMSNorm, QK norm and rotary embedding.
#include <cmath>
#include <numeric>

#include "bench/kernel_suite.h"

namespace longhaul::bench {
namespace {

void rms_norm(KernelSuite& suite) {
  struct Set {
    Tensor x, weight, y, dy, dx, inv_rms, dweight;
  };
  Ops& ops = *suite.backend.ops;
  const std::int64_t rows = suite.tokens.sp;
  const std::int64_t cols = suite.sizes.hidden;
  const std::string shape = shape_text(rows, cols);
  suite.measure(
      "rms_norm_forward", shape,
      [&] {
        Set s;
        s.x = suite.activation(rows, cols);
        s.weight = suite.norm_weight(cols);
        s.y = suite.data().uninitialised(suite.dtype, rows, cols);
        s.inv_rms = suite.data().uninitialised(DType::f32, rows, 1);
        return s;
      },
      [](const Set& s) {
        return moved({s.x.view, s.weight.view, s.y.view, s.inv_rms.view});
      },
      [&](const Set& s) {
        ops.rms_norm_forward(s.x.view, 1, s.weight.data(), suite.sizes.epsilon, s.y.view,
                             s.inv_rms.as<float>());
      });

  const auto backward = [&](const char* name, AccumulateMode write) {
    suite.measure(
        name, shape,
        [&] {
          Set s;
          s.dy = suite.activation(rows, cols);
          s.x = suite.activation(rows, cols);
          s.weight = suite.norm_weight(cols);
          s.inv_rms = suite.floats(rows, 1, {1.0, 0.1});
          s.dx = suite.activation(rows, cols);
          s.dweight = suite.floats(1, cols);
          return s;
        },
        [write](const Set& s) {
          return moved({s.dy.view, s.x.view, s.weight.view, s.inv_rms.view, s.dx.view,
                        s.dweight.view, s.dweight.view}) +
                 (write == AccumulateMode::accumulate ? s.dx.bytes() : 0);
        },
        [&ops, write](const Set& s) {
          ops.rms_norm_backward(s.dy.view, s.x.view, 1, s.weight.data(), s.inv_rms.as<float>(),
                                s.dx.view, write, s.dweight.as<float>());
        });
  };
  backward("rms_norm_backward", AccumulateMode::overwrite);
  backward("rms_norm_backward, accumulate", AccumulateMode::accumulate);
}

/// The heads of q, or of k within the rows of k and v, with the positions of one document.
struct HeadSet {
  Tensor x_rows, y_rows, weight, inv_rms, dweight, positions, cos, sin;
  MatrixView x, y;
  RopeTable table;
};

class HeadOps {
  static constexpr double kRopeBase = 1e6;

 public:
  HeadOps(KernelSuite& suite, int heads, std::int64_t row_cols, const char* name)
      : suite_(suite),
        heads_(heads),
        cols_(std::int64_t{heads} * suite.sizes.heads.head_dim),
        row_cols_(row_cols),
        name_(name) {
    const std::int64_t half = suite.sizes.heads.head_dim / 2;
    for (std::int64_t position = 0; position < suite.tokens.cp_local; ++position) {
      for (std::int64_t i = 0; i < half; ++i) {
        const double angle =
            static_cast<double>(position) *
            std::pow(kRopeBase, -static_cast<double>(i) / static_cast<double>(half));
        cos_.push_back(static_cast<float>(std::cos(angle)));
        sin_.push_back(static_cast<float>(std::sin(angle)));
      }
    }
  }

  void run() {
    Ops& ops = *suite_.backend.ops;
    const auto both = [](const HeadSet& s) { return moved({s.x, s.y}) + side(s); };
    measure(
        "head_norm_rope_forward",
        [&](const HeadSet& s) {
          return both(s) + moved({s.weight.view, s.inv_rms.view});
        },
        [&](const HeadSet& s) {
          ops.head_norm_rope_forward(s.x, heads_, s.weight.data(), suite_.sizes.epsilon,
                                     s.positions.as<std::int32_t>(), s.table, s.y,
                                     s.inv_rms.as<float>());
        });
    measure(
        "head_norm_rope_backward",
        [&](const HeadSet& s) {  // y is dy, overwritten with dx
          return both(s) +
                 moved({s.y, s.weight.view, s.inv_rms.view, s.dweight.view, s.dweight.view});
        },
        [&](const HeadSet& s) {
          ops.head_norm_rope_backward(s.y, s.x, heads_, s.weight.data(), s.inv_rms.as<float>(),
                                      s.positions.as<std::int32_t>(), s.table,
                                      s.dweight.as<float>());
        });
    for (const RopeDirection direction : {RopeDirection::forward, RopeDirection::backward}) {
      measure(
          direction == RopeDirection::forward ? "rope forward" : "rope backward",
          [](const HeadSet& s) {
            return moved({s.x, s.x}) + side(s);
          },
          [&](const HeadSet& s) {
            ops.rope(s.x, heads_, s.positions.as<std::int32_t>(), s.table, direction);
          });
    }
  }

 private:
  /// Positions and tables; each position occurs once.
  static std::int64_t side(const HeadSet& s) {
    return moved({s.positions.view, s.cos.view, s.sin.view});
  }

  [[nodiscard]] HeadSet make() const {
    const std::int64_t rows = suite_.tokens.cp_local;
    const std::int64_t dim = suite_.sizes.heads.head_dim;
    HeadSet s;
    s.x_rows = suite_.activation(rows, row_cols_);
    s.y_rows = suite_.activation(rows, row_cols_);
    s.x = s.x_rows.view.col_range(0, cols_);
    s.y = s.y_rows.view.col_range(0, cols_);
    // Backward works in place on what it gave before: factors near 1 keep it in range.
    s.weight = suite_.activation(1, dim, {0.995, 0.001});
    s.inv_rms = suite_.floats(rows, heads_, {1.0, 0.001});
    s.dweight = suite_.floats(1, dim);
    std::vector<std::int32_t> positions(static_cast<std::size_t>(rows));
    std::iota(positions.begin(), positions.end(), 0);
    s.positions = suite_.data().integers(positions);
    // Real rotations: in place and again and again, they must keep the length of a row.
    s.cos = suite_.data().floats(cos_, dim / 2);
    s.sin = suite_.data().floats(sin_, dim / 2);
    s.table = {s.cos.as<float>(), s.sin.as<float>(), rows};
    return s;
  }

  template <typename Bytes, typename Call>
  void measure(const char* op, const Bytes& bytes, const Call& call) {
    suite_.measure(
        fmt::format("{}, {}", op, name_), shape_text(suite_.tokens.cp_local, cols_),
        [this] { return make(); }, bytes, call);
  }

  KernelSuite& suite_;
  int heads_;
  std::int64_t cols_;
  std::int64_t row_cols_;
  const char* name_;
  std::vector<float> cos_;  // [local tokens, head_dim / 2]
  std::vector<float> sin_;
};

}  // namespace

void bench_norms(KernelSuite& suite) {
  rms_norm(suite);
  const LocalSizes& sizes = suite.sizes;
  HeadOps(suite, sizes.heads.num_q_heads, sizes.q_cols, "q").run();
  HeadOps(suite, sizes.heads.num_kv_heads, 2 * sizes.kv_cols, "k").run();
}

}  // namespace longhaul::bench
