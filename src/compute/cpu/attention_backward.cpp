#include <cblas.h>

#include <algorithm>

#include "compute/cpu/attention_tiles.h"
#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {
namespace {

/// Everything that the tiles of one call share.
struct BackwardCall {
  const Kernels& kernels;
  const TileShape& shape;
  const AttentionHeads& heads;
  ConstMatrixView q, k, v, o;
  const float* lse;
  ConstMatrixView d_o;
  MatrixView dk, dv;
  int sets;  // see key_sets()
};

/// The part of the work that one thread does alone: the key blocks of one set under one key/value
/// head. No other task touches the same rows and columns of dk and dv.
struct BackwardTask {
  std::int64_t kv_head;
  int set;
  MatrixView dq;  // overwritten with this set's part
};

/// Fetches the tile's rows: q times the scale, d_o, the log-sum-exp and delta = sum(o * d_o).
void load_tile(const BackwardCall& call, const AttentionTile& tile, std::int64_t kv_head,
               const TileScratch& scratch) {
  const std::int64_t dim = call.shape.head_dim;
  for (std::int64_t g = 0; g < call.shape.group; ++g) {
    const std::int64_t head = kv_head * call.shape.group + g;
    for (std::int64_t i = 0; i < tile.queries; ++i) {
      const std::int64_t row = g * tile.queries + i;
      const std::int64_t from = tile.row() + i;
      const float* const d_o = row_of(call.d_o, from) + head * dim;
      call.kernels.scaled_copy(row_of(call.q, from) + head * dim, call.heads.scale,
                               scratch.q + row * dim, dim);
      std::copy_n(d_o, dim, scratch.d_o + row * dim);
      scratch.delta[row] = call.kernels.dot(row_of(call.o, from) + head * dim, d_o, dim);
      scratch.lse[row] = call.lse[head * call.q.rows + from];
    }
  }
}

/// One tile against the keys key .. key + cols of its segment: P = exp(q k^T - lse),
/// dS = P (d_o v^T - delta); dv += P^T d_o, dk += dS^T q, out = or += dS k.
void backward_block(const BackwardCall& call, const AttentionTile& tile, std::int64_t kv_head,
                    std::int64_t key, std::int64_t cols, float out_beta,
                    const TileScratch& scratch) {
  const std::int64_t row_count = call.shape.group * tile.queries;
  const auto rows = static_cast<blasint>(row_count);
  const auto n = static_cast<blasint>(cols);
  const auto dim = static_cast<blasint>(call.shape.head_dim);
  const std::int64_t kv_row = tile.segment.kv_begin + key;
  const std::int64_t at = kv_head * call.shape.head_dim;
  const float* const k = row_of(call.k, kv_row) + at;
  const auto k_stride = static_cast<blasint>(call.k.stride);

  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, n, dim, 1.0F, scratch.q, dim, k,
              k_stride, 0.0F, scratch.scores, n);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, n, dim, 1.0F, scratch.d_o, dim,
              row_of(call.v, kv_row) + at, static_cast<blasint>(call.v.stride), 0.0F,
              scratch.d_scores, n);
  for (std::int64_t row = 0; row < row_count; ++row) {
    const std::int64_t visible =
        std::clamp<std::int64_t>(tile.visible_keys(row % tile.queries) - key, 0, cols);
    call.kernels.softmax_backward_row(scratch.scores + row * cols, scratch.d_scores + row * cols,
                                      scratch.lse[row], scratch.delta[row], visible, cols);
  }
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, dim, rows, 1.0F, scratch.scores, n,
              scratch.d_o, dim, 1.0F, row_of(call.dv, kv_row) + at,
              static_cast<blasint>(call.dv.stride));
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, dim, rows, 1.0F, scratch.d_scores, n,
              scratch.q, dim, 1.0F, row_of(call.dk, kv_row) + at,
              static_cast<blasint>(call.dk.stride));
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, dim, n, 1.0F, scratch.d_scores, n, k,
              k_stride, out_beta, scratch.out, dim);
}

void backward_tile(const BackwardCall& call, const AttentionTile& tile, const BackwardTask& task,
                   const TileScratch& scratch) {
  load_tile(call, tile, task.kv_head, scratch);
  const std::int64_t kv_begin = tile.segment.kv_begin;
  const std::int64_t keys = tile.keys();
  float out_beta = 0.0F;
  for (std::int64_t key = 0; key < keys;) {
    std::int64_t end = std::min(key + TileShape::kKeyBlock, keys);
    bool ours = true;
    if (call.sets > 1) {
      // Sets own absolute blocks of the stream, because segments can share keys.
      const std::int64_t block = (kv_begin + key) / TileShape::kKeyBlock;
      end = std::min((block + 1) * TileShape::kKeyBlock - kv_begin, keys);
      ours = block % call.sets == task.set;
    }
    if (ours) {
      backward_block(call, tile, task.kv_head, key, end - key, out_beta, scratch);
      out_beta = 1.0F;
    }
    key = end;
  }
  const std::int64_t dim = call.shape.head_dim;
  if (out_beta == 0.0F) std::fill_n(scratch.out, call.shape.rows * dim, 0.0F);
  for (std::int64_t g = 0; g < call.shape.group; ++g) {
    const std::int64_t head = task.kv_head * call.shape.group + g;
    for (std::int64_t i = 0; i < tile.queries; ++i) {
      call.kernels.scaled_copy(scratch.out + (g * tile.queries + i) * dim, call.heads.scale,
                               row_of(task.dq, tile.row() + i) + head * dim, dim);
    }
  }
}

void clear(MatrixView m) {
  for (std::int64_t row = 0; row < m.rows; ++row) std::fill_n(row_of(m, row), m.cols, 0.0F);
}

}  // namespace

void CpuOps::attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                                std::span<const AttentionSegment> segments,
                                const AttentionHeads& heads, MatrixView dq, MatrixView dk,
                                MatrixView dv, AccumulateMode write_dkv) {
  check_attention(q, k, v, segments, heads);
  check_matrix(o, q.rows, q.cols, "attention_backward", "o");
  check_matrix(d_o, q.rows, q.cols, "attention_backward", "d_o");
  check_matrix(dq, q.rows, q.cols, "attention_backward", "dq");
  check_matrix(dk, k.rows, k.cols, "attention_backward", "dk");
  check_matrix(dv, k.rows, k.cols, "attention_backward", "dv");
  LONGHAUL_CHECK(workspace_bytes_ >= workspace_bytes(threads_, {q.rows, k.rows, heads}),
                 "attention_backward: the workspace has {} bytes and needs {}", workspace_bytes_,
                 workspace_bytes(threads_, {q.rows, k.rows, heads}));
  if (write_dkv == AccumulateMode::overwrite) {
    for (const AttentionSegment& segment : segments) {
      clear(dk.row_range(segment.kv_begin, segment.kv_len));
      clear(dv.row_range(segment.kv_begin, segment.kv_len));
    }
  }
  const TileShape shape(heads);
  const std::size_t scratch_bytes = TileScratch::bytes(shape);
  count_tiles(segments, shape, tile_starts_);

  const int sets = key_sets(threads_, heads);
  auto* const partial_dq =
      reinterpret_cast<float*>(workspace_ + static_cast<std::size_t>(threads_) * scratch_bytes);
  const auto dq_of_set = [&](int set) {
    return set == 0 ? dq
                    : MatrixView(partial_dq + (set - 1) * dq.size(), DType::f32, dq.rows, dq.cols);
  };
  const BackwardCall call{kernels_, shape, heads, q, k, v, o, lse, d_o, dk, dv, sets};
  parallel_tasks(
      threads_, std::int64_t{heads.num_kv_heads} * sets, [&](int thread, std::int64_t number) {
        const int set = static_cast<int>(number % sets);
        const BackwardTask task{number / sets, set, dq_of_set(set)};
        const TileScratch scratch(workspace_ + thread * scratch_bytes, shape);
        for (std::int64_t tile = 0; tile < tile_starts_.back(); ++tile) {
          backward_tile(call, find_tile(segments, shape, tile_starts_, tile), task, scratch);
        }
      });
  for (int set = 1; set < sets; ++set) {
    for (const AttentionSegment& segment : segments) {
      add(dq_of_set(set).row_range(segment.q_begin, segment.q_len),
          dq.row_range(segment.q_begin, segment.q_len));
    }
  }
}

}  // namespace longhaul::cpu
