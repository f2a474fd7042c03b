#include <cuda_pipeline_primitives.h>

#include <limits>

#include "kernels/embedding.h"
#include "kernels/support/bf16_words.cuh"
#include "kernels/support/row_copy.cuh"
#include "kernels/support/token_sort.cuh"
#include "kernels/support/view_checks.cuh"

// The backward pass sorts the tokens by id, finds the segments of equal ids, and gives each segment
// and slice of columns to one warp, which adds the rows one after another. Long segments get
// narrow slices and a deep queue of rows in shared memory: the additions of a column depend on each
// other, and only many rows in flight keep them fed.

namespace longhaul::kernels {
namespace {

constexpr unsigned kFullWarp = 0xffffffffU;

struct EmbeddingPlaces {
  const std::int32_t* ids;
  std::int64_t vocab_begin;
  std::int64_t table_rows;
  __device__ __forceinline__ RowPlaces operator()(std::int64_t i) const {
    const std::int64_t id = ids[i] - vocab_begin;
    return {id >= 0 && id < table_rows ? id : -1, i};
  }
};

// ---- segments of equal ids

/// Positions begin .. end - 1 of the sorted tokens have the same id.
struct Segment {
  std::int32_t begin;
  std::int32_t end;
};

/// Of either kind. Their order depends on timing, but not what is done with any of them.
struct SegmentCounts {
  int light;
  int heavy;
};

/// Rows of the longest light segment.
constexpr int kLightRows = 64;

/// The end of the segment that begins at `begin`: doubling steps, then bisection.
__device__ __forceinline__ int segment_end(const Token* tokens, int count, int begin) {
  const std::int32_t id = tokens[begin].id;
  int inside = begin;
  int step = 1;
  while (begin + step < count && tokens[begin + step].id == id) {
    inside = begin + step;
    step *= 2;
  }
  int outside = min(begin + step, count);
  while (outside - inside > 1) {
    const int middle = inside + (outside - inside) / 2;
    if (tokens[middle].id == id) {
      inside = middle;
    } else {
      outside = middle;
    }
  }
  return outside;
}

/// Places for the lanes that want one, counted on; called by whole warps.
__device__ __forceinline__ int take_place(bool wanted, int* counter) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const unsigned lanes = __ballot_sync(kFullWarp, wanted);
  int first = 0;
  if (lane == 0 && lanes != 0) first = atomicAdd(counter, __popc(lanes));
  return __shfl_sync(kFullWarp, first, 0) + __popc(lanes & ((1U << lane) - 1U));
}

constexpr int kFindThreads = 256;

/// tokens [count], sorted -> segments [count], overwritten: light ones from the front, heavy ones
/// (of more than light_rows rows) from the back; counts, accumulated.
__global__ void __launch_bounds__(kFindThreads)
    find_segments_kernel(const Token* tokens, int count, std::int32_t table_rows, int light_rows,
                         Segment* segments, SegmentCounts* counts) {
  const auto i = static_cast<int>(blockIdx.x * kFindThreads + threadIdx.x);
  const std::int32_t id = i < count ? tokens[i].id : table_rows;
  const bool begins = id != table_rows && (i == 0 || tokens[i - 1].id != id);
  const Segment segment{i, begins ? segment_end(tokens, count, i) : i};
  const bool heavy = segment.end - segment.begin > light_rows;
  const int light_place = take_place(begins && !heavy, &counts->light);
  const int heavy_place = take_place(heavy, &counts->heavy);
  if (begins) segments[heavy ? count - 1 - heavy_place : light_place] = segment;
}

struct Job {
  const Token* tokens;      // [count], sorted
  const Segment* segments;  // [count]
  const SegmentCounts* counts;
  int count;
  const __nv_bfloat16* dout;  // [T, cols]
  std::int64_t dout_stride;
  float* dtable;  // [V, cols], accumulated
  std::int64_t dtable_stride;
  int cols;
};

// ---- light segments: a warp a segment and slice of 32 * kWidth columns, rows in registers

constexpr int kLightThreads = 256;
constexpr int kLightBlocks = 4;  // a multiprocessor
constexpr int kBatch = 4;        // rows in flight

/// A lane's columns of one slice: of a row of dout, and of a row of dtable.
template <int kWidth>
struct Columns;

template <>
struct Columns<1> {
  using Row = __nv_bfloat16;
  float sum = 0.0F;

  static __device__ __forceinline__ Row load_row(const __nv_bfloat16* from) { return *from; }
  __device__ __forceinline__ void add(Row row) { sum += to_float(row); }
  __device__ __forceinline__ void load(const float* from) { sum = *from; }
  __device__ __forceinline__ void store(float* to) const { *to = sum; }
};

template <>
struct Columns<kBf16Pack> {
  using Row = Bf16Words;
  PackF32 sums[2] = {};

  static __device__ __forceinline__ Row load_row(const __nv_bfloat16* from) {
    return load_bf16_words_streaming(from);
  }
  __device__ __forceinline__ void add(const Row& row) {
#pragma unroll
    for (int i = 0; i < kBf16Pack / 2; ++i) {
      const float2 pair = bf16_pair(row, i);
      sums[i / 2].values[i % 2 * 2] += pair.x;
      sums[i / 2].values[i % 2 * 2 + 1] += pair.y;
    }
  }
  __device__ __forceinline__ void load(const float* from) {
    sums[0] = load_pack(from);
    sums[1] = load_pack(from + PackF32::kSize);
  }
  __device__ __forceinline__ void store(float* to) const {
    store_pack(to, sums[0]);
    store_pack(to + PackF32::kSize, sums[1]);
  }
};

template <int kWidth>
__global__ void __launch_bounds__(kLightThreads, kLightBlocks) add_light_kernel(Job job) {
  constexpr int kWarps = kLightThreads / kWarpSize;
  constexpr int kSlice = kWarpSize * kWidth;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int slices = (job.cols + kSlice - 1) / kSlice;
  const int items = job.counts->light * slices;
  const int warps = static_cast<int>(gridDim.x) * kWarps;
  int item = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarpSize;
  for (; item < items; item += warps) {
    const int index = item / slices;
    const Segment segment = job.segments[index];
    const int col = (item - index * slices) * kSlice + lane * kWidth;
    const bool active = col < job.cols;
    const std::int64_t id = job.tokens[segment.begin].id;
    const __nv_bfloat16* const from = job.dout + col;
    float* const to = job.dtable + id * job.dtable_stride + col;
    Columns<kWidth> columns;
    if (active) columns.load(to);
    for (int first = segment.begin; first < segment.end; first += kWarpSize) {
      const int rows = min(segment.end - first, kWarpSize);
      const std::int32_t my_row = lane < rows ? job.tokens[first + lane].row : 0;
      for (int batch = 0; batch < rows; batch += kBatch) {
        typename Columns<kWidth>::Row values[kBatch];
#pragma unroll
        for (int r = 0; r < kBatch; ++r) {
          const std::int64_t row = __shfl_sync(kFullWarp, my_row, batch + r);
          if (active && batch + r < rows) {
            values[r] = columns.load_row(from + row * job.dout_stride);
          }
        }
#pragma unroll
        for (int r = 0; r < kBatch; ++r) {
          if (batch + r < rows) columns.add(values[r]);
        }
      }
    }
    if (active) columns.store(to);
  }
}

// ---- heavy segments: a warp a segment and slice of 64 columns, rows in shared memory

constexpr int kHeavySlice = 64;  // columns: 128 bytes of a row
constexpr int kStageRows = 32;   // each lane looks up one row
constexpr int kStages = 8;       // of which all but one are on their way
constexpr int kHeavyBlocks = 6;  // a multiprocessor: what its shared memory holds
constexpr int kRowPacks = kHeavySlice / kBf16Pack;

/// The rows of one segment and slice, on their way through shared memory.
class RowQueue {
 public:
  __device__ __forceinline__ RowQueue(const Job& job, const Segment& segment, int first_col,
                                      Bf16Words* stages)
      : job_(job), segment_(segment), stages_(stages) {
    const int pack = lane() % kRowPacks;
    in_row_ = first_col + pack * kBf16Pack < job.cols;
    from_ = job.dout + first_col + pack * kBf16Pack;
    next_row_ = row_at(lane());
  }

  /// Asks for the rows of `stage`. Called for each stage in turn, also those behind the last.
  __device__ __forceinline__ void request(int stage) {
    const std::int32_t my_row = next_row_;
    const int first = stage * kStageRows;
    next_row_ = row_at(first + kStageRows + lane());  // one stage ahead: it takes a while
    Bf16Words* const to = stages_ + stage % kStages * kStageRows * kRowPacks;
#pragma unroll
    for (int step = 0; step < kRowPacks; ++step) {
      const int r = step * (kWarpSize / kRowPacks) + lane() / kRowPacks;
      const std::int64_t row = __shfl_sync(kFullWarp, my_row, r);
      if (in_row_ && first + r < rows()) {
        __pipeline_memcpy_async(to + r * kRowPacks + lane() % kRowPacks,
                                from_ + row * job_.dout_stride, sizeof(Bf16Words));
      }
    }
    __pipeline_commit();
  }

  [[nodiscard]] __device__ __forceinline__ int rows() const {
    return segment_.end - segment_.begin;
  }
  /// This lane's two columns of row r of a stage that has arrived.
  [[nodiscard]] __device__ __forceinline__ float2 values(int stage, int r) const {
    const auto* const rows =
        reinterpret_cast<const __nv_bfloat162*>(stages_ + stage % kStages * kStageRows * kRowPacks);
    return __bfloat1622float2(rows[r * (kHeavySlice / 2) + lane()]);
  }

 private:
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x); }
  [[nodiscard]] __device__ __forceinline__ std::int32_t row_at(int i) const {
    return i < rows() ? job_.tokens[segment_.begin + i].row : 0;
  }

  const Job& job_;
  const Segment segment_;
  Bf16Words* stages_;
  const __nv_bfloat16* from_;
  bool in_row_;
  std::int32_t next_row_;  // of this lane, in the stage that is requested next
};

__global__ void __launch_bounds__(kWarpSize) add_heavy_kernel(Job job) {
  __shared__ Bf16Words stages[kStages * kStageRows * kRowPacks];
  const auto lane = static_cast<int>(threadIdx.x);
  const int slices = (job.cols + kHeavySlice - 1) / kHeavySlice;
  const int items = job.counts->heavy * slices;
  for (int item = static_cast<int>(blockIdx.x); item < items; item += static_cast<int>(gridDim.x)) {
    const int index = item / slices;
    const Segment segment = job.segments[job.count - 1 - index];
    const int first_col = (item - index * slices) * kHeavySlice;
    const int col = first_col + lane * 2;
    const bool active = col < job.cols;
    const std::int64_t id = job.tokens[segment.begin].id;
    auto* const to = reinterpret_cast<float2*>(job.dtable + id * job.dtable_stride + col);
    float2 sum = active ? *to : float2{0.0F, 0.0F};

    __syncwarp();  // the last item's rows have been read
    RowQueue queue(job, segment, first_col, stages);
    for (int stage = 0; stage < kStages - 1; ++stage) queue.request(stage);
    for (int stage = 0; stage * kStageRows < queue.rows(); ++stage) {
      __pipeline_wait_prior(kStages - 2);
      __syncwarp();  // all lanes' parts have arrived, and all have read the stage before
      queue.request(stage + kStages - 1);
      const int rows = min(queue.rows() - stage * kStageRows, kStageRows);
      if (!active) continue;
      const auto add = [&](int r) {
        const float2 value = queue.values(stage, r);
        sum.x += value.x;
        sum.y += value.y;
      };
      if (rows == kStageRows) {
#pragma unroll
        for (int r = 0; r < kStageRows; ++r) add(r);
      } else {
        for (int r = 0; r < rows; ++r) add(r);
      }
    }
    if (active) *to = sum;
  }
}

// ---- scratch

struct Scratch {
  Token* tokens;
  Token* other;  // then the segments
  std::int32_t* digit_counts;
  SegmentCounts* counts;
  std::size_t bytes;
};

Scratch lay_out(void* base, std::int64_t tokens) {
  constexpr std::int64_t kAlignment = 256;
  auto* const start = static_cast<std::byte*>(base);
  std::int64_t used = 0;
  const auto take = [&](std::int64_t bytes) {
    std::byte* const at = start + used;
    used += round_up(bytes, kAlignment);
    return static_cast<void*>(at);
  };
  const std::int64_t token_bytes = tokens * static_cast<std::int64_t>(sizeof(Token));
  Scratch scratch{};
  scratch.tokens = static_cast<Token*>(take(token_bytes));
  scratch.other = static_cast<Token*>(take(token_bytes));
  scratch.digit_counts = static_cast<std::int32_t*>(take(sort_count_bytes(tokens)));
  scratch.counts = static_cast<SegmentCounts*>(take(sizeof(SegmentCounts)));
  scratch.bytes = static_cast<std::size_t>(used);
  return scratch;
}

}  // namespace

void embedding_forward(const std::int32_t* ids, ConstMatrixView table, std::int64_t vocab_begin,
                       MatrixView out, cudaStream_t stream) {
  check_view(table, DType::bf16, table.rows, out.cols, "embedding_forward", "table");
  check_view(out, DType::bf16, out.rows, out.cols, "embedding_forward", "out");
  copy_rows(table, out, out.rows, EmbeddingPlaces{ids, vocab_begin, table.rows},
            "embedding_forward", stream);
}

std::size_t embedding_backward_scratch_bytes(std::int64_t tokens) {
  return lay_out(nullptr, tokens).bytes;
}

void embedding_backward(const std::int32_t* ids, ConstMatrixView dout, std::int64_t vocab_begin,
                        MatrixView dtable, void* scratch, std::size_t scratch_bytes,
                        cudaStream_t stream) {
  check_view(dout, DType::bf16, dout.rows, dout.cols, "embedding_backward", "dout");
  check_view(dtable, DType::f32, dtable.rows, dout.cols, "embedding_backward", "dtable");
  // What 32-bit positions and pieces of work reach.
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  LONGHAUL_CHECK(dout.rows * (ceil_div(dout.cols, kWarpSize) + 1) < kMost && dtable.rows < kMost,
                 "embedding_backward: {} tokens of {} columns, {} rows in the table", dout.rows,
                 dout.cols, dtable.rows);
  if (dout.size() == 0 || dtable.rows == 0) return;
  const Scratch s = lay_out(scratch, dout.rows);
  check_scratch(scratch, scratch_bytes, s.bytes, "embedding_backward");

  sort_tokens(ids, dout.rows, vocab_begin, dtable.rows, s.tokens, s.other, s.digit_counts, stream);

  constexpr int kWidth = kBf16Pack;
  const bool aligned = is_pack_aligned(dout.data, dout.stride, sizeof(__nv_bfloat16)) &&
                       is_pack_aligned(dtable.data, dtable.stride, sizeof(float)) &&
                       dout.cols % kWidth == 0;
  const int light_rows = aligned ? kLightRows : std::numeric_limits<int>::max();
  const auto count = static_cast<int>(dout.rows);
  static_assert(sizeof(Segment) == sizeof(Token));
  auto* const segments = reinterpret_cast<Segment*>(s.other);
  LONGHAUL_CUDA_CHECK(cudaMemsetAsync(s.counts, 0, sizeof(SegmentCounts), stream),
                      "embedding_backward");
  find_segments_kernel<<<static_cast<unsigned>(ceil_div(count, kFindThreads)), kFindThreads, 0,
                         stream>>>(s.tokens, count, static_cast<std::int32_t>(dtable.rows),
                                   light_rows, segments, s.counts);
  LONGHAUL_CUDA_CHECK_LAUNCH("embedding_backward: find segments");

  const Job job{s.tokens,
                segments,
                s.counts,
                count,
                dout.as<__nv_bfloat16>(),
                dout.stride,
                dtable.as<float>(),
                dtable.stride,
                static_cast<int>(dout.cols)};
  // The numbers of segments are known on the device only: blocks for as many as there can be, up to
  // what runs at once.
  const auto light_grid = [&](int width) {
    return grid_size(count * ceil_div(dout.cols, kWarpSize * width), kLightThreads / kWarpSize,
                     kMultiprocessors * kLightBlocks);
  };
  if (!aligned) {
    add_light_kernel<1><<<light_grid(1), kLightThreads, 0, stream>>>(job);
    LONGHAUL_CUDA_CHECK_LAUNCH("embedding_backward");
    return;
  }
  if (count > kLightRows) {
    const unsigned heavy_grid =
        grid_size(count / (kLightRows + 1) * ceil_div(dout.cols, kHeavySlice), 1,
                  kMultiprocessors * kHeavyBlocks);
    add_heavy_kernel<<<heavy_grid, kWarpSize, 0, stream>>>(job);
    LONGHAUL_CUDA_CHECK_LAUNCH("embedding_backward: frequent ids");
  }
  add_light_kernel<kWidth><<<light_grid(kWidth), kLightThreads, 0, stream>>>(job);
  LONGHAUL_CUDA_CHECK_LAUNCH("embedding_backward");
}

}  // namespace longhaul::kernels
