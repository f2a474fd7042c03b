#include "checkpoint/reader.h"

#include <fmt/ranges.h>

#include <cstring>
#include <unordered_map>

#include "checkpoint/index_reader.h"
#include "checkpoint/naming.h"
#include "checkpoint/save_directory.h"
#include "checkpoint/shard_file.h"

namespace longhaul {

struct CheckpointReader::State {
  CheckpointIndex index;
  std::unordered_map<std::string, std::size_t> numbers;  // tensor by path
  std::vector<FileDescriptor> shards;                    // opened when first needed
  std::vector<bool> checked_shards;
  std::vector<bool> checked_slabs;

  const FileDescriptor& shard(std::size_t number) {
    if (!shards[number].valid()) {
      shards[number] = open_to_read(index.directory / index.shards[number].file_name);
    }
    if (!checked_shards[number]) {
      check_shard_metadata(index, number, shards[number]);
      checked_shards[number] = true;
    }
    return shards[number];
  }
};

namespace {

/// Copies the part of `piece` that lies in `wanted` to its place in a matrix whose rows are
/// `row_stride` elements apart and whose first element is wanted's.
void copy_part(const TensorSlice& piece, const std::byte* from, const TensorSlice& wanted,
               std::byte* to, std::int64_t row_stride, std::int64_t element) {
  const TensorSlice part = intersect(piece, wanted);
  const bool whole_rows = part.cols == piece.cols && part.cols == row_stride;
  if (whole_rows) {
    std::memcpy(to + (part.row - wanted.row) * row_stride * element,
                from + (part.row - piece.row) * piece.cols * element,
                static_cast<std::size_t>(part.size() * element));
    return;
  }
  for (std::int64_t row = part.row; row < part.row + part.rows; ++row) {
    const std::int64_t source = (row - piece.row) * piece.cols + part.col - piece.col;
    const std::int64_t target = (row - wanted.row) * row_stride + part.col - wanted.col;
    std::memcpy(to + target * element, from + source * element,
                static_cast<std::size_t>(part.cols * element));
  }
}

}  // namespace

CheckpointReader::CheckpointReader(const std::filesystem::path& step_directory)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.index = load_index(step_directory);
  const CheckpointIndex& index = state.index;
  for (std::size_t i = 0; i < index.tables.tensors.size(); ++i) {
    state.numbers.emplace(index.tables.tensors[i].path, i);
  }
  state.checked_shards.resize(index.shards.size());
  state.checked_slabs.resize(index.tables.slabs.size());
  state.shards.resize(index.shards.size());
  try {
    // Not kept open: there can be more shards than a process may have files.
    for (std::size_t i = 0; i < index.shards.size(); ++i) open_shard(index, i);
  } catch (const std::runtime_error& error) {
    user_error("{}; {}", error.what(), recovery_advice(step_directory));
  }
}

CheckpointReader::~CheckpointReader() = default;

const std::filesystem::path& CheckpointReader::directory() const { return state_->index.directory; }

std::int64_t CheckpointReader::step() const { return state_->index.identity.step; }

const std::string& CheckpointReader::written() const { return state_->index.written; }

int CheckpointReader::shards() const { return static_cast<int>(state_->index.shards.size()); }

std::int64_t CheckpointReader::bytes() const {
  std::int64_t bytes = state_->index.index_bytes;
  for (const ShardRow& shard : state_->index.shards) bytes += shard.bytes;
  return bytes;
}

const std::string& CheckpointReader::metadata() const { return state_->index.metadata; }

const std::vector<CheckpointTensor>& CheckpointReader::tensors() const {
  return state_->index.tables.tensors;
}

const CheckpointTensor* CheckpointReader::find(const std::string& path) const {
  const auto found = state_->numbers.find(path);
  return found == state_->numbers.end() ? nullptr : &tensors()[found->second];
}

void CheckpointReader::read(const std::string& path, const TensorSlice& slice, void* data,
                            std::int64_t row_stride) const {
  State& state = *state_;
  const CheckpointIndex& index = state.index;
  const auto found = state.numbers.find(path);
  if (found == state.numbers.end()) {
    user_error("{}: has no tensor {}; 'longhaul inspect' lists those that it has",
               directory().string(), display_name(path));
  }
  const CheckpointTensor& tensor = index.tables.tensors[found->second];
  LONGHAUL_CHECK(lies_within(slice, tensor.shape), "{} [{}]: {} reach outside", path,
                 fmt::join(tensor.shape, ","), describe(slice, tensor.shape.size()));
  const auto element = static_cast<std::int64_t>(size_of(tensor.dtype));
  LONGHAUL_CHECK(slice.rows <= 1 || row_stride >= slice.cols, "{}: row stride {} of {} columns",
                 path, row_stride, slice.cols);
  const PieceSink sink = [&](const TensorSlice& piece, const std::byte* from) {
    copy_part(piece, from, slice, static_cast<std::byte*>(data), row_stride, element);
  };
  std::int64_t covered = 0;
  try {
    for (std::size_t i = index.first_slab[found->second]; i < index.first_slab[found->second + 1];
         ++i) {
      const SlabRow& slab = index.tables.slabs[i];
      const std::int64_t common = intersect(slab.slice, slice).size();
      if (common == 0) continue;
      covered += common;
      const FileDescriptor& fd = state.shard(static_cast<std::size_t>(slab.shard));
      if (state.checked_slabs[i]) {
        read_slab_part(index, slab, slice, fd, sink);
      } else {
        read_slab_checked(index, slab, fd, sink);
        state.checked_slabs[i] = true;
      }
    }
  } catch (const UserError& error) {
    user_error("{}; {}", error.what(), recovery_advice(directory()));
  }
  LONGHAUL_CHECK(covered == slice.size(), "{}: slabs hold {} of {} elements", path, covered,
                 slice.size());
}

}  // namespace longhaul
