#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/reader.h"
#include "checkpoint/writer.h"
#include "comm/coordinator.h"
#include "metrics/temporary_directory.h"

namespace longhaul::test {

enum class Split : std::uint8_t { none, rows, columns };

/// A tensor of the test's little model. Its bytes are a function of path, position and seed.
struct TestTensor {
  std::string path;
  DType dtype = DType::bf16;
  std::vector<std::int64_t> shape;
  Split split = Split::none;
};

/// Weights in bfloat16 and their three optimizer tensors in float32, split in every way.
std::vector<TestTensor> test_model();

/// tp ranks split tensors by rows or columns; each part is split again by rows over `shards` ranks
/// (rounded up, so that later ones may get no row). Replicated tensors are the first tp rank's.
struct TestLayout {
  int tp = 1;
  int shards = 1;
  [[nodiscard]] int ranks() const { return tp * shards; }
};

/// One rank's slices with memory behind them, rows a few elements further apart than needed.
struct RankData {
  std::vector<TensorSlab> slabs;
  std::vector<std::vector<std::byte>> memory;
};
RankData make_rank_data(const std::vector<TestTensor>& model, TestLayout layout, int rank,
                        int seed);

/// The bytes of a slice of a tensor, row-major and contiguous, as they must be read.
std::vector<std::byte> expected_bytes(const TestTensor& tensor, const TensorSlice& slice, int seed);

/// Hands a checkpoint over and waits until it is published. Collective.
void write_and_finish(CheckpointWriter& writer, CheckpointContents contents);
/// The same with a writer of its own.
void write_once(Coordinator& coordinator, const std::filesystem::path& save,
                CheckpointContents contents);

/// Writes one checkpoint of test_model() with threads as ranks. Seed: the step.
void write_test_checkpoint(const std::filesystem::path& save, TestLayout layout, std::int64_t step,
                           int save_total_limit = 0);
/// The same for one rank of a real job. Collective.
void write_as_rank(Coordinator& coordinator, CheckpointWriter& writer, TestLayout layout,
                   std::int64_t step);

/// Reads every tensor as `layout` would need it and counts the slices that are not as written.
int count_wrong_slices(const CheckpointReader& reader, TestLayout layout, int seed);

/// The message of the exception that `work` throws; empty when it throws none.
template <typename Work>
std::string message_of(Work work) {
  try {
    work();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace longhaul::test
