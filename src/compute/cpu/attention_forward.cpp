#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "compute/cpu/attention_tiles.h"
#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {
namespace {

/// Everything that the tiles of one call share.
struct ForwardCall {
  const Kernels& kernels;
  const TileShape& shape;
  const AttentionHeads& heads;
  ConstMatrixView q, k, v;
  MatrixView o;
  float* lse;
};

/// One tile of one key/value head with the softmax computed on the fly: the running maximum and sum
/// are kept per row, and what was added before is rescaled when the maximum grows.
void forward_tile(const ForwardCall& call, const AttentionTile& tile, std::int64_t kv_head,
                  const TileScratch& scratch) {
  const Kernels& kernels = call.kernels;
  const std::int64_t dim = call.shape.head_dim;
  const std::int64_t group = call.shape.group;
  const std::int64_t rows = group * tile.queries;
  for (std::int64_t g = 0; g < group; ++g) {
    for (std::int64_t i = 0; i < tile.queries; ++i) {
      const float* const from = row_of(call.q, tile.row() + i) + (kv_head * group + g) * dim;
      kernels.scaled_copy(from, call.heads.scale, scratch.q + (g * tile.queries + i) * dim, dim);
    }
  }
  std::fill_n(scratch.lse, rows, -std::numeric_limits<float>::infinity());
  std::fill_n(scratch.sums, rows, 0.0);

  const std::int64_t keys = tile.keys();
  for (std::int64_t key = 0; key < keys; key += TileShape::kKeyBlock) {
    const std::int64_t cols = std::min(TileShape::kKeyBlock, keys - key);
    const float* const k = row_of(call.k, tile.segment.kv_begin + key) + kv_head * dim;
    const float* const v = row_of(call.v, tile.segment.kv_begin + key) + kv_head * dim;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<blasint>(rows),
                static_cast<blasint>(cols), static_cast<blasint>(dim), 1.0F, scratch.q,
                static_cast<blasint>(dim), k, static_cast<blasint>(call.k.stride), 0.0F,
                scratch.scores, static_cast<blasint>(cols));
    for (std::int64_t g = 0; g < group; ++g) {
      for (std::int64_t i = 0; i < tile.queries; ++i) {
        const std::int64_t row = g * tile.queries + i;
        const std::int64_t visible = std::clamp<std::int64_t>(tile.visible_keys(i) - key, 0, cols);
        const float correction = kernels.softmax_tile_row(
            scratch.scores + row * cols, visible, cols, scratch.lse + row, scratch.sums + row);
        if (key > 0 && correction != 1.0F) kernels.scale(scratch.out + row * dim, correction, dim);
      }
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<blasint>(rows),
                static_cast<blasint>(dim), static_cast<blasint>(cols), 1.0F, scratch.scores,
                static_cast<blasint>(cols), v, static_cast<blasint>(call.v.stride),
                key == 0 ? 0.0F : 1.0F, scratch.out, static_cast<blasint>(dim));
  }

  for (std::int64_t g = 0; g < group; ++g) {
    const std::int64_t head = kv_head * group + g;
    for (std::int64_t i = 0; i < tile.queries; ++i) {
      const std::int64_t row = g * tile.queries + i;
      const double sum = scratch.sums[row];
      kernels.scaled_copy(scratch.out + row * dim, static_cast<float>(1.0 / sum),
                          row_of(call.o, tile.row() + i) + head * dim, dim);
      call.lse[head * call.q.rows + tile.row() + i] =
          static_cast<float>(scratch.lse[row] + std::log(sum));
    }
  }
}

}  // namespace

void CpuOps::attention_forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                               std::span<const AttentionSegment> segments,
                               const AttentionHeads& heads, MatrixView o, float* lse) {
  check_attention(q, k, v, segments, heads);
  check_matrix(o, q.rows, q.cols, "attention_forward", "o");
  const TileShape shape(heads);
  const std::size_t scratch_bytes = TileScratch::bytes(shape);
  LONGHAUL_CHECK(
      workspace_bytes_ >= static_cast<std::size_t>(threads_) * scratch_bytes,
      "attention_forward: the workspace has {} bytes and needs {} for each of {} threads",
      workspace_bytes_, scratch_bytes, threads_);
  count_tiles(segments, shape, tile_starts_);

  const ForwardCall call{kernels_, shape, heads, q, k, v, o, lse};
  const std::int64_t tasks = tile_starts_.back() * heads.num_kv_heads;
  parallel_tasks(threads_, tasks, [&](int thread, std::int64_t task) {
    // The last tiles of a document see the most keys: begin with them, so that threads end
    // together.
    const std::int64_t number = tasks - 1 - task;
    const AttentionTile tile =
        find_tile(segments, shape, tile_starts_, number / heads.num_kv_heads);
    forward_tile(call, tile, number % heads.num_kv_heads,
                 TileScratch(workspace_ + thread * scratch_bytes, shape));
  });
}

}  // namespace longhaul::cpu
