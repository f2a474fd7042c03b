#include "checkpoint/test_model.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "checkpoint/naming.h"
#include "checkpoint/thread_ranks.h"
#include "core/rounding.h"

namespace longhaul::test {
namespace fs = std::filesystem;

namespace {

/// splitmix64: every element of every tensor has bytes of its own.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

TensorSlice part_of(const TestTensor& tensor, TestLayout layout, int rank) {
  const int tp = rank % layout.tp;
  const int shard = rank / layout.tp;
  const auto split = [&](std::int64_t& begin, std::int64_t& count) {
    begin = count * tp / layout.tp;
    count = count * (tp + 1) / layout.tp - begin;
  };
  TensorSlice part = whole_tensor(tensor.shape);
  if (tensor.split == Split::none && tp != 0) part.rows = 0;
  if (tensor.split == Split::rows) split(part.row, part.rows);
  if (tensor.split == Split::columns) split(part.col, part.cols);
  const std::int64_t each = ceil_div(part.rows, layout.shards);
  const std::int64_t begin = std::min(part.rows, each * shard);
  part.row += begin;
  part.rows = std::min(each, part.rows - begin);
  return part;
}

}  // namespace

std::vector<TestTensor> test_model() {
  struct Weight {
    const char* name;
    std::vector<std::int64_t> shape;
    Split split;
  };
  const std::vector<Weight> weights{
      {"model.embed_tokens.weight", {37, 12}, Split::rows},
      {"model.layers.0.self_attn.q_proj.weight", {16, 12}, Split::rows},
      {"model.layers.0.self_attn.q_proj.bias", {16}, Split::rows},
      {"model.layers.0.self_attn.o_proj.weight", {12, 16}, Split::columns},
      {"model.layers.0.input_layernorm.weight", {12}, Split::none},
      {"model.layers.10.mlp.down_proj.weight", {5, 30}, Split::columns},
      {"lm_head.weight", {37, 12}, Split::rows},
  };
  std::vector<TestTensor> tensors;
  for (const Weight& weight : weights) {
    tensors.push_back({checkpoint_path(weight.name), DType::bf16, weight.shape, weight.split});
    for (const char* kind : {"master", "exp_avg", "exp_avg_sq"}) {
      tensors.push_back(
          {optimizer_path(kind, weight.name), DType::f32, weight.shape, weight.split});
    }
  }
  return tensors;
}

std::vector<std::byte> expected_bytes(const TestTensor& tensor, const TensorSlice& slice,
                                      int seed) {
  const std::uint64_t base = std::hash<std::string>()(tensor.path) + static_cast<unsigned>(seed);
  const std::int64_t columns = whole_tensor(tensor.shape).cols;
  const std::size_t element = size_of(tensor.dtype);
  std::vector<std::byte> bytes(static_cast<std::size_t>(slice.size()) * element);
  for (std::int64_t row = 0; row < slice.rows; ++row) {
    for (std::int64_t col = 0; col < slice.cols; ++col) {
      const std::int64_t position = (slice.row + row) * columns + slice.col + col;
      const std::uint64_t value = mix(base + static_cast<std::uint64_t>(position));
      std::memcpy(bytes.data() + static_cast<std::size_t>(row * slice.cols + col) * element, &value,
                  element);
    }
  }
  return bytes;
}

RankData make_rank_data(const std::vector<TestTensor>& model, TestLayout layout, int rank,
                        int seed) {
  RankData data;
  for (const TestTensor& tensor : model) {
    const TensorSlice part = part_of(tensor, layout, rank);
    const std::vector<std::byte> dense = expected_bytes(tensor, part, seed);
    const std::size_t element = size_of(tensor.dtype);
    const std::int64_t stride = part.cols + (tensor.dtype == DType::bf16 ? 3 : 0);
    std::vector<std::byte>& memory = data.memory.emplace_back(
        static_cast<std::size_t>(part.rows * stride) * element, std::byte{0xee});
    for (std::int64_t row = 0; row < part.rows; ++row) {
      std::copy_n(dense.data() + static_cast<std::size_t>(row * part.cols) * element,
                  static_cast<std::size_t>(part.cols) * element,
                  memory.data() + static_cast<std::size_t>(row * stride) * element);
    }
    data.slabs.push_back({tensor.path, tensor.dtype, tensor.shape, part, memory.data(), stride});
  }
  return data;
}

void write_and_finish(CheckpointWriter& writer, CheckpointContents contents) {
  writer.write(std::move(contents));
  writer.finish();
}

void write_once(Coordinator& coordinator, const fs::path& save, CheckpointContents contents) {
  CheckpointWriter writer(coordinator, {save});
  write_and_finish(writer, std::move(contents));
}

void write_as_rank(Coordinator& coordinator, CheckpointWriter& writer, TestLayout layout,
                   std::int64_t step) {
  const RankData data =
      make_rank_data(test_model(), layout, coordinator.rank(), static_cast<int>(step));
  write_and_finish(writer,
                   {step, "{\"step\": " + std::to_string(step) + ", \"note\": \"α\"}", data.slabs});
}

void write_test_checkpoint(const fs::path& save, TestLayout layout, std::int64_t step,
                           int save_total_limit) {
  run_ranks(layout.ranks(), [&](Coordinator& coordinator) {
    CheckpointWriter writer(coordinator, {save, save_total_limit});
    write_as_rank(coordinator, writer, layout, step);
  });
}

int count_wrong_slices(const CheckpointReader& reader, TestLayout layout, int seed) {
  int wrong = 0;
  for (const TestTensor& tensor : test_model()) {
    for (int rank = 0; rank < layout.ranks(); ++rank) {
      const TensorSlice part = part_of(tensor, layout, rank);
      const std::vector<std::byte> expected = expected_bytes(tensor, part, seed);
      std::vector<std::byte> found(expected.size());
      reader.read(tensor.path, part, found.data(), part.cols);
      wrong += found != expected ? 1 : 0;
    }
  }
  return wrong;
}

}  // namespace longhaul::test
