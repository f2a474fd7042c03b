#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "core/tensor/attention_shape.h"

/// Every op in fp64, written as its definition reads: slow, obvious, and independent of the
/// backends that are held against it.
namespace longhaul::reference {

/// A contiguous row-major fp64 matrix.
struct Matrix {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<double> values;

  Matrix() = default;
  Matrix(std::int64_t rows, std::int64_t cols, double value = 0.0)
      : rows(rows), cols(cols), values(static_cast<std::size_t>(rows * cols), value) {}
  double& at(std::int64_t r, std::int64_t c) {
    return values[static_cast<std::size_t>(r * cols + c)];
  }
  [[nodiscard]] double at(std::int64_t r, std::int64_t c) const {
    return values[static_cast<std::size_t>(r * cols + c)];
  }
};

inline Matrix random_matrix(std::int64_t rows, std::int64_t cols, unsigned seed,
                            double deviation = 1.0) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal(0.0, deviation);
  Matrix m(rows, cols);
  for (double& value : m.values) value = normal(generator);
  return m;
}

/// a [m, k], b [n, k] -> a b^T [m, n].
inline Matrix multiply_nt(const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.rows);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < b.rows; ++j) {
      for (std::int64_t x = 0; x < a.cols; ++x) c.at(i, j) += a.at(i, x) * b.at(j, x);
    }
  }
  return c;
}

inline Matrix transposed(const Matrix& a) {
  Matrix t(a.cols, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.cols; ++j) t.at(j, i) = a.at(i, j);
  }
  return t;
}

inline Matrix sum(const Matrix& a, const Matrix& b) {
  Matrix c = a;
  for (std::size_t i = 0; i < c.values.size(); ++i) c.values[i] += b.values[i];
  return c;
}

// ---- RMSNorm: y = w x / sqrt(mean(x^2) + epsilon), in each of `groups` groups of a row

inline Matrix rms_norm(const Matrix& x, int groups, const Matrix& weight, double epsilon,
                       Matrix& inv_rms) {
  const std::int64_t width = x.cols / groups;
  Matrix y(x.rows, x.cols);
  inv_rms = Matrix(x.rows, groups);
  for (std::int64_t r = 0; r < x.rows; ++r) {
    for (int g = 0; g < groups; ++g) {
      double squares = 0.0;
      for (std::int64_t i = 0; i < width; ++i) squares += std::pow(x.at(r, g * width + i), 2);
      const double inv = 1.0 / std::sqrt(squares / static_cast<double>(width) + epsilon);
      inv_rms.at(r, g) = inv;
      for (std::int64_t i = 0; i < width; ++i) {
        y.at(r, g * width + i) = weight.at(0, i) * x.at(r, g * width + i) * inv;
      }
    }
  }
  return y;
}

struct RmsNormGradients {
  Matrix dx;
  Matrix dweight;  // [1, width]
};

inline RmsNormGradients rms_norm_backward(const Matrix& dy, const Matrix& x, int groups,
                                          const Matrix& weight, double epsilon) {
  const std::int64_t width = x.cols / groups;
  Matrix inv_rms;
  rms_norm(x, groups, weight, epsilon, inv_rms);
  RmsNormGradients result{Matrix(x.rows, x.cols), Matrix(1, width)};
  for (std::int64_t r = 0; r < x.rows; ++r) {
    for (int g = 0; g < groups; ++g) {
      const double inv = inv_rms.at(r, g);
      double along = 0.0;
      for (std::int64_t i = 0; i < width; ++i) {
        const std::int64_t c = g * width + i;
        along += weight.at(0, i) * dy.at(r, c) * x.at(r, c);
        result.dweight.at(0, i) += dy.at(r, c) * x.at(r, c) * inv;
      }
      for (std::int64_t i = 0; i < width; ++i) {
        const std::int64_t c = g * width + i;
        result.dx.at(r, c) = inv * weight.at(0, i) * dy.at(r, c) -
                             x.at(r, c) * std::pow(inv, 3) * along / static_cast<double>(width);
      }
    }
  }
  return result;
}

// ---- rotary embedding: the pair (i, i + D/2) of each head turns by the angle of (position, i)

/// angles [positions, D / 2]; sign -1 turns back.
inline Matrix rope(const Matrix& x, int heads, const std::vector<std::int32_t>& positions,
                   const Matrix& angles, double sign) {
  const std::int64_t dim = x.cols / heads;
  const std::int64_t half = dim / 2;
  Matrix y(x.rows, x.cols);
  for (std::int64_t r = 0; r < x.rows; ++r) {
    for (int h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < half; ++i) {
        const double angle = sign * angles.at(positions[static_cast<std::size_t>(r)], i);
        const double a = x.at(r, h * dim + i);
        const double b = x.at(r, h * dim + half + i);
        y.at(r, h * dim + i) = a * std::cos(angle) - b * std::sin(angle);
        y.at(r, h * dim + half + i) = b * std::cos(angle) + a * std::sin(angle);
      }
    }
  }
  return y;
}

// ---- attention over segments

struct Attention {
  Matrix o;    // [Tq, heads * D]; NaN outside the segments
  Matrix lse;  // [heads, Tq]; NaN outside the segments
};

struct AttentionGradients {
  Matrix dq, dk, dv;  // dq is NaN outside the segments
};

/// Calls f(head, query row, key row, segment) for each pair that the causal mask lets through.
template <typename F>
void for_visible(std::span<const AttentionSegment> segments, int heads, F&& f) {
  for (const AttentionSegment& s : segments) {
    for (int head = 0; head < heads; ++head) {
      for (std::int64_t i = 0; i < s.q_len; ++i) {
        for (std::int64_t j = 0; j < s.kv_len - s.q_len + i + 1; ++j) {
          f(head, s.q_begin + i, s.kv_begin + j);
        }
      }
    }
  }
}

inline double score(const Matrix& q, const Matrix& k, int heads, int kv_heads, double scale,
                    int head, std::int64_t i, std::int64_t j) {
  const std::int64_t dim = q.cols / heads;
  const std::int64_t kv_head = head / (heads / kv_heads);
  double dot = 0.0;
  for (std::int64_t d = 0; d < dim; ++d)
    dot += q.at(i, head * dim + d) * k.at(j, kv_head * dim + d);
  return scale * dot;
}

inline Attention attention(const Matrix& q, const Matrix& k, const Matrix& v,
                           std::span<const AttentionSegment> segments, int heads, int kv_heads,
                           double scale) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::int64_t dim = q.cols / heads;
  Attention result{Matrix(q.rows, q.cols, kNan), Matrix(heads, q.rows, kNan)};
  for_visible(segments, heads, [&](int head, std::int64_t i, std::int64_t j) {
    const double s = score(q, k, heads, kv_heads, scale, head, i, j);
    double& lse = result.lse.at(head, i);
    lse = std::isnan(lse) ? s : std::max(lse, s) + std::log1p(std::exp(-std::abs(lse - s)));
  });
  for_visible(segments, heads, [&](int head, std::int64_t i, std::int64_t j) {
    const double p =
        std::exp(score(q, k, heads, kv_heads, scale, head, i, j) - result.lse.at(head, i));
    const std::int64_t kv_head = head / (heads / kv_heads);
    for (std::int64_t d = 0; d < dim; ++d) {
      double& o = result.o.at(i, head * dim + d);
      o = (std::isnan(o) ? 0.0 : o) + p * v.at(j, kv_head * dim + d);
    }
  });
  return result;
}

inline AttentionGradients attention_backward(const Matrix& q, const Matrix& k, const Matrix& v,
                                             const Matrix& d_o,
                                             std::span<const AttentionSegment> segments, int heads,
                                             int kv_heads, double scale) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::int64_t dim = q.cols / heads;
  const Attention forward = attention(q, k, v, segments, heads, kv_heads, scale);
  AttentionGradients result{Matrix(q.rows, q.cols, kNan), Matrix(k.rows, k.cols),
                            Matrix(v.rows, v.cols)};
  for_visible(segments, heads, [&](int head, std::int64_t i, std::int64_t j) {
    const std::int64_t kv = head / (heads / kv_heads) * dim;
    const std::int64_t at = head * dim;
    const double p =
        std::exp(score(q, k, heads, kv_heads, scale, head, i, j) - forward.lse.at(head, i));
    double dp = 0.0;
    double delta = 0.0;
    for (std::int64_t d = 0; d < dim; ++d) {
      dp += d_o.at(i, at + d) * v.at(j, kv + d);
      delta += d_o.at(i, at + d) * forward.o.at(i, at + d);
    }
    const double ds = p * (dp - delta) * scale;
    for (std::int64_t d = 0; d < dim; ++d) {
      double& dq = result.dq.at(i, at + d);
      dq = (std::isnan(dq) ? 0.0 : dq) + ds * k.at(j, kv + d);
      result.dk.at(j, kv + d) += ds * q.at(i, at + d);
      result.dv.at(j, kv + d) += p * d_o.at(i, at + d);
    }
  });
  return result;
}

// ---- SwiGLU: silu(gate) * up

inline Matrix swiglu(const Matrix& gate_up) {
  Matrix act(gate_up.rows, gate_up.cols / 2);
  for (std::int64_t r = 0; r < act.rows; ++r) {
    for (std::int64_t c = 0; c < act.cols; ++c) {
      const double g = gate_up.at(r, c);
      act.at(r, c) = g / (1.0 + std::exp(-g)) * gate_up.at(r, act.cols + c);
    }
  }
  return act;
}

inline Matrix swiglu_backward(const Matrix& dact, const Matrix& gate_up) {
  Matrix d(gate_up.rows, gate_up.cols);
  for (std::int64_t r = 0; r < dact.rows; ++r) {
    for (std::int64_t c = 0; c < dact.cols; ++c) {
      const double g = gate_up.at(r, c);
      const double s = 1.0 / (1.0 + std::exp(-g));
      d.at(r, c) = dact.at(r, c) * gate_up.at(r, dact.cols + c) * (s + g * s * (1.0 - s));
      d.at(r, dact.cols + c) = dact.at(r, c) * g * s;
    }
  }
  return d;
}

// ---- cross-entropy over the first valid_cols columns

/// lse [R, 1] of each row.
inline Matrix log_sum_exp(const Matrix& logits, std::int64_t valid_cols) {
  Matrix lse(logits.rows, 1);
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    double maximum = -std::numeric_limits<double>::infinity();
    for (std::int64_t c = 0; c < valid_cols; ++c) maximum = std::max(maximum, logits.at(r, c));
    double sum = 0.0;
    for (std::int64_t c = 0; c < valid_cols; ++c) sum += std::exp(logits.at(r, c) - maximum);
    lse.at(r, 0) = maximum + std::log(sum);
  }
  return lse;
}

/// weights[r] * (softmax - onehot(target)); zero in the padding.
inline Matrix cross_entropy_gradient(const Matrix& logits, std::int64_t valid_cols,
                                     const std::vector<std::int32_t>& targets,
                                     const Matrix& weights) {
  const Matrix lse = log_sum_exp(logits, valid_cols);
  Matrix d(logits.rows, logits.cols);
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    for (std::int64_t c = 0; c < valid_cols; ++c) {
      const double onehot = targets[static_cast<std::size_t>(r)] == c ? 1.0 : 0.0;
      d.at(r, c) = weights.at(r, 0) * (std::exp(logits.at(r, c) - lse.at(r, 0)) - onehot);
    }
  }
  return d;
}

}  // namespace longhaul::reference
