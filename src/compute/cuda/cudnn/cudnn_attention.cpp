#include "compute/cuda/cudnn/cudnn_attention.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "compute/cuda/cudnn/cudnn_library.h"
#include "compute/cuda/cudnn/cudnn_plan_cache.h"
#include "compute/cuda/cudnn/cudnn_program.h"
#include "compute/cuda/cudnn/cudnn_sizes.h"
#include "compute/cuda/device/pinned_ring.h"
#include "core/cuda_check.h"
#include "kernels/attention/attention_rows.h"

namespace longhaul {
namespace {

using cudnn::backward_bytes;
using cudnn::backward_scratch;
using cudnn::backward_shape;
using cudnn::backward_sizes;
using cudnn::BackwardScratch;
using cudnn::BackwardSizes;
using cudnn::Direction;
using cudnn::kBlockRows;
using cudnn::Mask;
using cudnn::Operands;
using cudnn::Pass;
using cudnn::Plan;
using cudnn::PlanPointers;
using cudnn::PlanShape;
using cudnn::Program;
using cudnn::RowRange;
using cudnn::Step;
using kernels::MovedRows;
using kernels::RowsOp;

/// cuDNN before this left parts of its backward workspace on Hopper unset and read them.
constexpr std::size_t kInitialisesWorkspace = 91800;

bool same(std::span<const AttentionSegment> a, std::span<const AttentionSegment> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const AttentionSegment& x, const AttentionSegment& y) {
                      return x.q_begin == y.q_begin && x.q_len == y.q_len &&
                             x.kv_begin == y.kv_begin && x.kv_len == y.kv_len;
                    });
}

/// cuDNN takes pointers to what it only reads as it takes the others.
void* at(const void* data) { return const_cast<void*>(data); }

void check_rows(std::span<const AttentionSegment> segments, std::int64_t q_rows,
                std::int64_t kv_rows) {
  for (const AttentionSegment& s : segments) {
    LONGHAUL_CHECK(s.q_begin >= 0 && s.q_len >= 1 && std::int64_t{s.q_begin} + s.q_len <= q_rows,
                   "attention: queries {} + {} of {}", s.q_begin, s.q_len, q_rows);
    LONGHAUL_CHECK(
        s.kv_begin >= 0 && s.kv_len >= s.q_len && std::int64_t{s.kv_begin} + s.kv_len <= kv_rows,
        "attention: keys {} + {} of {} for {} queries", s.kv_begin, s.kv_len, kv_rows, s.q_len);
  }
}

void check_view(const ConstMatrixView& view, const char* name) {
  LONGHAUL_CHECK(CudnnAttention::accepts(view),
                 "attention: cuDNN cannot read {} ({}, {} elements between rows)", name,
                 name_of(view.dtype), view.stride);
}

/// The program of the last segments, so that the layers of a micro-batch share it.
struct LastProgram {
  bool valid = false;
  std::vector<AttentionSegment> segments;
  PlanShape base;
  Program program;
  std::vector<const Plan*> plans;   // of each step
  std::byte* region = nullptr;      // its tables' place on the device
  std::size_t resident = SIZE_MAX;  // the round whose tables are there
};

}  // namespace

class CudnnAttention::Impl {
 public:
  explicit Impl(const Options& options) : options_(options) {}

  std::string problem(const AttentionHeads& heads);
  void set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes);
  void forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
               std::span<const AttentionSegment> segments, const AttentionHeads& heads,
               MatrixView o, float* lse, std::int64_t lse_stride, cudaStream_t stream);
  void backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView o,
                const float* lse, std::int64_t lse_stride, ConstMatrixView d_o,
                std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                MatrixView dq, MatrixView dk, MatrixView dv, AccumulateMode write_dkv,
                cudaStream_t stream);
  [[nodiscard]] const Statistics& statistics() {
    statistics_.plans = plans_.size();
    statistics_.plan_seconds = plans_.build_seconds();
    return statistics_;
  }

 private:
  const Plan& plan(const PlanShape& shape, cudaStream_t stream);
  [[nodiscard]] BackwardSizes sizes_of_call(std::int64_t tokens, std::int64_t keys,
                                            const AttentionHeads& heads, Operands operands) const;
  LastProgram& program_for(LastProgram& last, std::span<const AttentionSegment> segments,
                           const PlanShape& base, cudaStream_t stream);
  void run_pass(LastProgram& last, const Pass& pass, const PlanPointers& tensors,
                std::byte* workspace, std::size_t workspace_bytes, cudaStream_t stream);
  [[nodiscard]] Arena scratch_arena() const;

  Options options_;
  cudnn::PlanCache plans_;
  Statistics statistics_;
  std::map<std::tuple<int, int, int, float>, std::string> problems_;
  WorkspaceShape planned_;  // what the workspace is for

  std::byte* workspace_ = nullptr;
  std::size_t workspace_bytes_ = 0;
  std::unique_ptr<cuda::PinnedRing> ring_;
  LastProgram last_forward_;
  LastProgram last_backward_;
};

namespace {

PlanShape forward_shape(const AttentionHeads& heads) {
  PlanShape shape;
  shape.direction = Direction::forward;
  shape.heads = heads.num_q_heads;
  shape.kv_heads = heads.num_kv_heads;
  shape.head_dim = heads.head_dim;
  shape.scale = heads.scale;
  shape.strides[cudnn::kStats] = heads.num_q_heads;
  return shape;
}

PlanShape with_strides(PlanShape shape, std::int64_t q, std::int64_t k, std::int64_t v,
                       std::int64_t o) {
  shape.strides[cudnn::kQ] = q;
  shape.strides[cudnn::kK] = k;
  shape.strides[cudnn::kV] = v;
  shape.strides[cudnn::kO] = o;
  return shape;
}

/// In place where all heads' rows of queries have the strides that dq will have. Without grouped
/// heads cuDNN writes dk and dv itself, so the same is asked of keys.
Operands operands_of(const ConstMatrixView& q, const ConstMatrixView& k, const ConstMatrixView& v,
                     const ConstMatrixView& o, const ConstMatrixView& d_o,
                     const AttentionHeads& heads) {
  const bool queries = q.stride == q.cols && o.stride == q.cols && d_o.stride == q.cols;
  const bool keys =
      heads.num_q_heads != heads.num_kv_heads || (k.stride == k.cols && v.stride == v.cols);
  return queries && keys ? Operands::in_place : Operands::copied;
}

MovedRows moved(const ConstMatrixView& from, const MatrixView& to, const RowRange& range) {
  return {static_cast<const __nv_bfloat16*>(from.row_range(range.begin, range.count).data),
          from.stride, to.row_range(range.begin, range.count).data, to.stride};
}

void move_rows(const ConstMatrixView& from, const MatrixView& to,
               const std::vector<RowRange>& ranges, RowsOp op, cudaStream_t stream) {
  for (const RowRange& range : ranges) {
    kernels::move_rows(moved(from, to, range), range.count, from.cols, op, stream);
  }
}

void copy_rows(const ConstMatrixView& from, const MatrixView& to,
               const std::vector<RowRange>& ranges, cudaStream_t stream) {
  move_rows(from, to, ranges, RowsOp::copy_bf16, stream);
}

}  // namespace

const Plan& CudnnAttention::Impl::plan(const PlanShape& shape, cudaStream_t stream) {
  const Plan& plan = plans_.get(shape, stream);
  statistics_.largest_plan_bytes = std::max(statistics_.largest_plan_bytes, plan.workspace_bytes());
  return plan;
}

std::string CudnnAttention::Impl::problem(const AttentionHeads& heads) {
  if (!cudnn::library_problem().empty()) return cudnn::library_problem();
  // The frontend bounds its workspace by the number of tokens only for multiples of 16; larger
  // heads run on other kernels, which were never tried here.
  if (heads.head_dim % 16 != 0 || heads.head_dim > 128) {
    return fmt::format("cuDNN attention is used for head_dim 16, 32, ... 128, not for {}",
                       heads.head_dim);
  }
  const std::tuple key(heads.num_q_heads, heads.num_kv_heads, heads.head_dim, heads.scale);
  const auto known = problems_.find(key);
  if (known != problems_.end()) return known->second;
  std::string problem;
  try {
    const std::int64_t q = std::int64_t{heads.num_q_heads} * heads.head_dim;
    const std::int64_t kv = std::int64_t{heads.num_kv_heads} * heads.head_dim;
    for (PlanShape shape : {with_strides(forward_shape(heads), q, kv, kv, q),
                            backward_shape({kBlockRows, kBlockRows, heads.num_kv_heads}, heads)}) {
      if (shape.direction == Direction::backward) shape.mask = Mask::top_left;
      shape.max_q = kBlockRows;
      shape.max_kv = kBlockRows;
      Plan::check_support(plans_.handle(nullptr), shape);
    }
  } catch (const InternalError& error) {
    problem = error.what();
  }
  problems_.emplace(key, problem);
  return problem;
}

void CudnnAttention::Impl::set_workspace(const WorkspaceShape& shape, void* data,
                                         std::size_t bytes) {
  planned_ = shape;
  LONGHAUL_CHECK(reinterpret_cast<std::uintptr_t>(data) % Arena::kAlignment == 0,
                 "attention workspace at {}, not a multiple of {}", data, Arena::kAlignment);
  workspace_ = static_cast<std::byte*>(data);
  workspace_bytes_ = bytes;
  last_forward_.region = workspace_;
  last_backward_.region = workspace_ == nullptr ? nullptr : workspace_ + cudnn::kRegionBytes;
  last_forward_.resident = SIZE_MAX;
  last_backward_.resident = SIZE_MAX;
  if (data != nullptr && ring_ == nullptr) ring_ = std::make_unique<cuda::PinnedRing>();
}

Arena CudnnAttention::Impl::scratch_arena() const {
  LONGHAUL_CHECK(
      workspace_bytes_ > cudnn::kPersistentBytes,
      "attention has a workspace of {} bytes; cudnn::workspace_bytes() says how much it needs",
      workspace_bytes_);
  return {workspace_ + cudnn::kPersistentBytes, workspace_bytes_ - cudnn::kPersistentBytes};
}

/// What was planned when this call fits into it, so that all calls share plans; else sizes near the
/// call's own, as far as the workspace goes.
BackwardSizes CudnnAttention::Impl::sizes_of_call(std::int64_t tokens, std::int64_t keys,
                                                  const AttentionHeads& heads,
                                                  Operands operands) const {
  const std::size_t available =
      workspace_bytes_ - std::min(workspace_bytes_, cudnn::kPersistentBytes);
  const auto fits = [&](const BackwardSizes& sizes) {
    return backward_bytes(sizes, heads) <= available;
  };
  const auto planned = [&](std::int64_t some_tokens, std::int64_t some_keys) {
    BackwardSizes sizes =
        backward_sizes(some_tokens, some_keys, heads, Operands::in_place, options_.backward_bytes);
    if (operands == Operands::copied) sizes.operands = operands;
    return sizes;
  };
  if (tokens <= planned_.max_tokens && keys <= planned_.max_keys) {
    const BackwardSizes sizes = planned(planned_.max_tokens, planned_.max_keys);
    if (fits(sizes)) return sizes;
  }
  BackwardSizes sizes = planned(cudnn::rounded_rows(tokens), cudnn::rounded_rows(keys));
  if (fits(sizes)) return sizes;
  sizes = backward_sizes(tokens, keys, heads, operands, available);
  LONGHAUL_CHECK(fits(sizes),
                 "attention backward of {} queries and {} keys, {} heads on {}, needs a workspace "
                 "of {} bytes beside {} for tables{}; {} were given",
                 tokens, keys, heads.num_q_heads, heads.num_kv_heads, backward_bytes(sizes, heads),
                 cudnn::kPersistentBytes,
                 operands == Operands::copied ? ", because its rows are not contiguous" : "",
                 workspace_bytes_);
  return sizes;
}

LastProgram& CudnnAttention::Impl::program_for(LastProgram& last,
                                               std::span<const AttentionSegment> segments,
                                               const PlanShape& base, cudaStream_t stream) {
  const bool is_forward = base.direction == Direction::forward;
  if (last.valid && last.base == base && same(last.segments, segments)) return last;
  last.valid = false;
  last.resident = SIZE_MAX;
  const cudnn::GroupingRules rules{
      .heads = base.heads,
      .call_seconds = is_forward ? options_.forward_call_seconds : options_.backward_call_seconds,
      .empty_block_seconds =
          is_forward ? options_.forward_empty_block_seconds : options_.backward_empty_block_seconds,
      .padding = options_.padding};
  last.program = cudnn::make_program(segments, base, rules, cudnn::kRegionBytes);
  last.plans.clear();
  for (const Step& step : last.program.steps) last.plans.push_back(&plan(step.shape, stream));
  last.segments.assign(segments.begin(), segments.end());
  last.base = base;
  last.valid = true;
  return last;
}

void CudnnAttention::Impl::run_pass(LastProgram& last, const Pass& pass,
                                    const PlanPointers& tensors, std::byte* workspace,
                                    std::size_t workspace_bytes, cudaStream_t stream) {
  const cudnn::Handle& handle = plans_.handle(stream);
  for (std::size_t i = pass.begin; i < pass.end; ++i) {
    const Step& step = last.program.steps[i];
    if (last.resident != step.round) {
      const std::vector<std::byte>& tables = last.program.rounds[step.round];
      ring_->copy_to_device(last.region, tables.data(), tables.size(), stream);
      last.resident = step.round;
    }
    const Plan& plan = *last.plans[i];
    LONGHAUL_CHECK(plan.workspace_bytes() <= workspace_bytes,
                   "cuDNN wants {} bytes of workspace for attention of {} segments of {} queries "
                   "and {} keys, {} heads on {}; {} are there",
                   plan.workspace_bytes(), plan.shape().batch, plan.shape().max_q,
                   plan.shape().max_kv, plan.shape().heads, plan.shape().kv_heads, workspace_bytes);
    PlanPointers pointers = tensors;
    pointers.metadata = last.region + step.metadata;
    pointers.workspace = workspace;
    if (plan.shape().direction == Direction::backward &&
        cudnn::library_version() < kInitialisesWorkspace) {
      LONGHAUL_CUDA_CHECK(cudaMemsetAsync(workspace, 0, plan.workspace_bytes(), stream),
                          "clearing the attention workspace");
    }
    plan.execute(handle, pointers);
  }
}

void CudnnAttention::Impl::forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                   std::span<const AttentionSegment> segments,
                                   const AttentionHeads& heads, MatrixView o, float* lse,
                                   std::int64_t lse_stride, cudaStream_t stream) {
  check_view(q, "q");
  check_view(k, "k");
  check_view(v, "v");
  check_view(o, "o");
  check_rows(segments, q.rows, k.rows);
  if (segments.empty()) return;
  Arena arena = scratch_arena();
  auto* const lse_rows = arena.allocate_array<float>(q.rows * heads.num_q_heads, "attention.lse");
  // One stride for both, as in the backward direction.
  const bool in_place = q.stride == o.stride;
  MatrixView q_copy;
  MatrixView o_copy = o;
  if (!in_place) {
    q_copy = {arena.allocate(o.bytes(), "attention.q"), q.dtype, q.rows, q.cols};
    o_copy = {arena.allocate(o.bytes(), "attention.o"), o.dtype, o.rows, o.cols};
  }
  const PlanShape base =
      with_strides(forward_shape(heads), o_copy.stride, k.stride, v.stride, o_copy.stride);
  LastProgram& last = program_for(last_forward_, segments, base, stream);
  const Program& program = last.program;
  statistics_.forward_calls = program.steps.size();

  PlanPointers tensors;
  tensors.tensors = {at(q.data), at(k.data), at(v.data), o_copy.data, lse_rows};
  if (!in_place) {
    copy_rows(q, q_copy, program.q_ranges, stream);
    tensors.tensors[cudnn::kQ] = q_copy.data;
  }
  const std::size_t left = workspace_bytes_ - cudnn::kPersistentBytes - arena.used();
  auto* const rest = static_cast<std::byte*>(arena.allocate(0, "attention.plan"));
  for (const Pass& pass : program.passes) run_pass(last, pass, tensors, rest, left, stream);
  if (!in_place) copy_rows(o_copy, o, program.q_ranges, stream);
  for (const RowRange& range : program.q_ranges) {
    kernels::lse_to_heads(lse_rows + range.begin * heads.num_q_heads, range.count,
                          heads.num_q_heads, lse + range.begin, lse_stride, stream);
  }
}

void CudnnAttention::Impl::backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                    ConstMatrixView o, const float* lse, std::int64_t lse_stride,
                                    ConstMatrixView d_o, std::span<const AttentionSegment> segments,
                                    const AttentionHeads& heads, MatrixView dq, MatrixView dk,
                                    MatrixView dv, AccumulateMode write_dkv, cudaStream_t stream) {
  check_view(q, "q");
  check_view(k, "k");
  check_view(v, "v");
  check_view(o, "o");
  check_view(d_o, "d_o");
  check_rows(segments, q.rows, k.rows);
  const DType dkv_type = write_dkv == AccumulateMode::accumulate ? DType::f32 : DType::bf16;
  LONGHAUL_CHECK(dq.dtype == DType::bf16 && dk.dtype == dkv_type && dv.dtype == dkv_type,
                 "attention: dq is {}, dk {} and dv {}", name_of(dq.dtype), name_of(dk.dtype),
                 name_of(dv.dtype));
  if (segments.empty()) return;
  const BackwardSizes sizes =
      sizes_of_call(q.rows, k.rows, heads, operands_of(q, k, v, o, d_o, heads));
  const bool in_place = sizes.operands == Operands::in_place;
  Arena arena = scratch_arena();
  const BackwardScratch scratch =
      backward_scratch(sizes, heads, arena, workspace_bytes_ - cudnn::kPersistentBytes);
  PlanShape base = backward_shape(sizes, heads);
  if (in_place) base = with_strides(base, q.stride, k.stride, v.stride, o.stride);
  LastProgram& last = program_for(last_backward_, segments, base, stream);
  const Program& program = last.program;
  const int parts = heads.num_kv_heads / sizes.kv_heads;
  statistics_.backward_calls = program.steps.size() * static_cast<std::size_t>(parts);

  for (const RowRange& range : program.q_ranges) {
    kernels::lse_to_rows(lse + range.begin, lse_stride, range.count, heads.num_q_heads,
                         scratch.lse_rows + range.begin * heads.num_q_heads, stream);
  }
  const std::int64_t q_cols = base.strides[cudnn::kDQ];
  const std::int64_t kv_cols = base.strides[cudnn::kDK];
  const auto query_rows = [&](std::byte* data) {
    return MatrixView(data, DType::bf16, q.rows, q_cols);
  };
  const auto key_rows = [&](std::byte* data) {
    return MatrixView(data, DType::bf16, k.rows, kv_cols);
  };
  // cuDNN may write dq where it belongs when its rows are like those of q.
  const bool direct = in_place && dq.stride == q_cols && accepts(dq);
  const RowsOp dkv_op =
      write_dkv == AccumulateMode::accumulate ? RowsOp::add_f32 : RowsOp::copy_bf16;
  for (int part = 0; part < parts; ++part) {
    const auto q_part = [&](auto view) { return view.col_range(part * q_cols, q_cols); };
    const auto kv_part = [&](auto view) { return view.col_range(part * kv_cols, kv_cols); };
    PlanPointers tensors;
    const auto set = [&](cudnn::Tensor tensor, const void* data) {
      tensors.tensors[tensor] = at(data);
    };
    if (in_place) {
      set(cudnn::kQ, q.data);
      set(cudnn::kK, k.data);
      set(cudnn::kV, v.data);
      set(cudnn::kO, o.data);
      set(cudnn::kDO, d_o.data);
    } else {
      copy_rows(q_part(q), query_rows(scratch.q), program.q_ranges, stream);
      copy_rows(q_part(o), query_rows(scratch.o), program.q_ranges, stream);
      copy_rows(q_part(d_o), query_rows(scratch.d_o), program.q_ranges, stream);
      copy_rows(kv_part(k), key_rows(scratch.k), program.kv_ranges, stream);
      copy_rows(kv_part(v), key_rows(scratch.v), program.kv_ranges, stream);
      set(cudnn::kQ, scratch.q);
      set(cudnn::kK, scratch.k);
      set(cudnn::kV, scratch.v);
      set(cudnn::kO, scratch.o);
      set(cudnn::kDO, scratch.d_o);
    }
    set(cudnn::kStats, scratch.lse_rows + part * base.heads);
    set(cudnn::kDK, scratch.dk);
    set(cudnn::kDV, scratch.dv);
    for (const Pass& pass : program.passes) {
      const bool first = pass.mask == Mask::top_left;  // of these rows of dq
      const bool to_dq = first && direct;
      set(cudnn::kDQ, to_dq ? dq.data : scratch.dq);
      run_pass(last, pass, tensors, scratch.plan, scratch.plan_bytes, stream);
      if (!to_dq) {
        move_rows(query_rows(scratch.dq), q_part(dq), pass.q_ranges,
                  first ? RowsOp::copy_bf16 : RowsOp::add_bf16, stream);
      }
      for (const RowRange& range : pass.kv_ranges) {
        kernels::move_rows(moved(key_rows(scratch.dk), kv_part(dk), range),
                           moved(key_rows(scratch.dv), kv_part(dv), range), range.count, kv_cols,
                           dkv_op, stream);
      }
    }
  }
}

CudnnAttention::CudnnAttention() : CudnnAttention(Options{}) {}
CudnnAttention::CudnnAttention(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
CudnnAttention::~CudnnAttention() = default;

std::string CudnnAttention::library_problem() { return cudnn::library_problem(); }
std::string CudnnAttention::library_version() {
  return cudnn::version_text(cudnn::library_version());
}
std::string CudnnAttention::problem(const AttentionHeads& heads) const {
  return impl_->problem(heads);
}

bool CudnnAttention::accepts(const ConstMatrixView& view) {
  return view.dtype == DType::bf16 && reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0 &&
         view.stride * 2 % 16 == 0;
}

void CudnnAttention::set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) {
  impl_->set_workspace(shape, data, bytes);
}

void CudnnAttention::forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                             std::span<const AttentionSegment> segments,
                             const AttentionHeads& heads, MatrixView o, float* lse,
                             std::int64_t lse_stride, cudaStream_t stream) {
  impl_->forward(q, k, v, segments, heads, o, lse, lse_stride, stream);
}

void CudnnAttention::backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                              ConstMatrixView o, const float* lse, std::int64_t lse_stride,
                              ConstMatrixView d_o, std::span<const AttentionSegment> segments,
                              const AttentionHeads& heads, MatrixView dq, MatrixView dk,
                              MatrixView dv, AccumulateMode write_dkv, cudaStream_t stream) {
  impl_->backward(q, k, v, o, lse, lse_stride, d_o, segments, heads, dq, dk, dv, write_dkv, stream);
}

CudnnAttention::Statistics CudnnAttention::statistics() const { return impl_->statistics(); }

}  // namespace longhaul
