#pragma once

#include "compute/backend_fixture.h"

namespace longhaul {

/// One attention problem: shapes, segments and random inputs.
struct AttentionProblem {
  int heads;
  int kv_heads;
  int head_dim;
  std::int64_t q_rows;
  std::int64_t kv_rows;
  std::vector<AttentionSegment> segments;

  [[nodiscard]] AttentionHeads shape() const {
    return {heads, kv_heads, head_dim, 1.0F / std::sqrt(static_cast<float>(head_dim))};
  }
};

/// Gradients of a document of one token are zero, as differences of numbers near one.
inline constexpr double kUnit = 1.0;

class AttentionFixture : public BackendTest {
 protected:
  struct Inputs {
    reference::Matrix q, k, v, d_o;
  };
  struct Outputs {
    reference::Matrix o, lse, dq, dk, dv;
  };

  [[nodiscard]] Inputs make_inputs(const AttentionProblem& p, unsigned seed) const {
    const std::int64_t q_cols = std::int64_t{p.heads} * p.head_dim;
    const std::int64_t kv_cols = std::int64_t{p.kv_heads} * p.head_dim;
    return {random(p.q_rows, q_cols, seed, 1.5), random(p.kv_rows, kv_cols, seed + 1, 1.5),
            random(p.kv_rows, kv_cols, seed + 2), random(p.q_rows, q_cols, seed + 3)};
  }

  /// Forward and backward on the device; k and v share rows as the model lays them out, and dk, dv
  /// start from `dkv_before` (so that accumulation shows).
  [[nodiscard]] Outputs run(const AttentionProblem& p, const Inputs& in,
                            double dkv_before = 0.0) const {
    const std::int64_t kv_cols = in.k.cols;
    reference::Matrix kv(p.kv_rows, 2 * kv_cols);
    for (std::int64_t r = 0; r < p.kv_rows; ++r) {
      for (std::int64_t c = 0; c < kv_cols; ++c) {
        kv.at(r, c) = in.k.at(r, c);
        kv.at(r, kv_cols + c) = in.v.at(r, c);
      }
    }
    const AttentionHeads shape = p.shape();
    const WorkspaceShape planned{p.q_rows, p.kv_rows, shape};
    const DeviceBuffer workspace(*backend_.device,
                                 backend_.device->model().workspace_bytes(planned));
    backend_.ops->set_workspace(planned, workspace.data(), workspace.bytes());
    const DeviceMatrix q = upload(in.q, 8);
    const DeviceMatrix device_kv = upload(kv);
    const DeviceMatrix d_o = upload(in.d_o, 16);
    const DeviceMatrix o = poisoned(p.q_rows, in.q.cols, 8);
    const DeviceMatrix lse = poisoned_f32(p.heads, p.q_rows);
    const DeviceMatrix dq = poisoned(p.q_rows, in.q.cols, 24);
    const DeviceMatrix dkv = upload_f32(reference::Matrix(p.kv_rows, 2 * kv_cols, dkv_before), 8);
    const MatrixView k = device_kv.view().col_range(0, kv_cols);
    const MatrixView v = device_kv.view().col_range(kv_cols, kv_cols);
    backend_.ops->attention_forward(q.view(), k, v, p.segments, shape, o.view(), lse.floats());
    backend_.ops->attention_backward(q.view(), k, v, o.view(), lse.floats(), d_o.view(), p.segments,
                                     shape, dq.view(), dkv.view().col_range(0, kv_cols),
                                     dkv.view().col_range(kv_cols, kv_cols),
                                     AccumulateMode::accumulate);
    backend_.ops->set_workspace({}, nullptr, 0);
    const reference::Matrix both = dkv.download();
    Outputs out{o.download(), lse.download(), dq.download(), in.k, in.v};
    for (std::int64_t r = 0; r < p.kv_rows; ++r) {
      for (std::int64_t c = 0; c < kv_cols; ++c) {
        out.dk.at(r, c) = both.at(r, c);
        out.dv.at(r, c) = both.at(r, kv_cols + c);
      }
    }
    return out;
  }

  /// Scores of a few units in fp32 have an absolute error near 1e-6, which exp() turns into a
  /// relative one; sums over keys then average it.
  [[nodiscard]] double forward_tolerance() const { return dtype_ == DType::bf16 ? 2e-2 : 5e-6; }
  /// The gradients contain dp - delta, a difference of numbers several times its size.
  [[nodiscard]] double backward_tolerance() const { return 4 * forward_tolerance(); }
  /// GPUs take exponentials and logarithms from tables with a few fp32 roundings.
  [[nodiscard]] double lse_tolerance() const { return dtype_ == DType::bf16 ? 1e-5 : 1e-6; }

  /// dk and dv [Tkv, 2 kv_cols] of AccumulateMode::overwrite, NaN where nothing was written.
  [[nodiscard]] reference::Matrix overwritten_dkv(const AttentionProblem& p,
                                                  const Inputs& in) const {
    const AttentionHeads shape = p.shape();
    const WorkspaceShape planned{p.q_rows, p.kv_rows, shape};
    const DeviceBuffer workspace(*backend_.device,
                                 backend_.device->model().workspace_bytes(planned));
    backend_.ops->set_workspace(planned, workspace.data(), workspace.bytes());
    const DeviceMatrix q = upload(in.q);
    const DeviceMatrix k = upload(in.k);
    const DeviceMatrix v = upload(in.v);
    const DeviceMatrix d_o = upload(in.d_o);
    const DeviceMatrix o = poisoned(p.q_rows, in.q.cols);
    const DeviceMatrix lse = poisoned_f32(p.heads, p.q_rows);
    const DeviceMatrix dq = poisoned(p.q_rows, in.q.cols);
    const DeviceMatrix dkv = poisoned(p.kv_rows, 2 * in.k.cols, 8);
    backend_.ops->attention_forward(q.view(), k.view(), v.view(), p.segments, shape, o.view(),
                                    lse.floats());
    backend_.ops->attention_backward(
        q.view(), k.view(), v.view(), o.view(), lse.floats(), d_o.view(), p.segments, shape,
        dq.view(), dkv.view().col_range(0, in.k.cols), dkv.view().col_range(in.k.cols, in.k.cols),
        AccumulateMode::overwrite);
    const reference::Matrix result = dkv.download();
    backend_.ops->set_workspace({}, nullptr, 0);
    return result;
  }

  void expect_matches_reference(const AttentionProblem& p, unsigned seed) const {
    const Inputs in = make_inputs(p, seed);
    const double scale = p.shape().scale;
    const auto forward =
        reference::attention(in.q, in.k, in.v, p.segments, p.heads, p.kv_heads, scale);
    auto gradients = reference::attention_backward(in.q, in.k, in.v, in.d_o, p.segments, p.heads,
                                                   p.kv_heads, scale);
    constexpr double kBefore = 0.125;
    for (double& value : gradients.dk.values) value += kBefore;
    for (double& value : gradients.dv.values) value += kBefore;
    const Outputs out = run(p, in, kBefore);
    expect_close(out.o, forward.o, forward_tolerance(), "o");
    expect_close(out.lse, forward.lse, lse_tolerance(), "lse");
    expect_close(out.dq, gradients.dq, backward_tolerance(), "dq", kUnit);
    expect_close(out.dk, gradients.dk, backward_tolerance(), "dk", kUnit);
    expect_close(out.dv, gradients.dv, backward_tolerance(), "dv", kUnit);
  }
};

}  // namespace longhaul
