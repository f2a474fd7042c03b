#pragma once

#include <memory>
#include <vector>

#include "core/tensor/convert.h"
#include "data/batches/micro_batch.h"
#include "runtime/runtime.h"
#include "train/model_state.h"
#include "train/step_runner.h"
#include "train/test_backend.h"
#include "train/training_memory.h"

namespace longhaul::testing {

/// Documents in host memory, to be viewed as Document.
struct OwnedDocument {
  std::vector<std::int32_t> tokens;
  std::vector<float> weights;
  [[nodiscard]] Document view() const {
    return {tokens.data(), weights.data(), static_cast<std::int64_t>(tokens.size())};
  }
};
using DocumentPack = std::vector<OwnedDocument>;

/// A small training run on one rank of any layout, without files, flags and logs.
class TinyRun {
 public:
  struct Setup {
    Recomputation recompute;
    double clip_grad = 1.0;
    AdamWOptions adamw;
    std::int64_t max_tokens = 1024;  // before padding
  };

  /// One rank on its own.
  TinyRun(ModelConfig config, const TestRank& rank, const Setup& setup)
      : TinyRun(std::move(config), rank, rank.connect(ParallelLayout{1, 1, 1}), setup) {}

  /// One rank of several. Of runs on one device, the one made last is the one that may compute: a
  /// backend has one workspace. `rank` must outlive the run.
  TinyRun(ModelConfig config, const TestRank& rank, std::shared_ptr<RankGroups> groups,
          const Setup& setup)
      : config_(std::move(config)),
        groups_(std::move(groups)),
        table_(config_, groups_->grid),
        log_(rank.coordinator().rank(), rank.coordinator().host()),
        runtime_(groups_->grid, rank.backend(), groups_->comms, rank.coordinator(), log_),
        max_tokens_(padded_stream_tokens(setup.max_tokens, groups_->grid.layout())),
        memory_(runtime_, config_, table_, setup.adamw,
                {max_tokens_, setup.max_tokens, setup.recompute}),
        runner_(runtime_, memory_, setup.clip_grad) {}

  void load(const WeightSource& source) { load_weights(runtime_, table_, source, memory_); }

  /// One optimizer step on `packs`, given to the DP ranks in turn, one pack a micro-batch.
  StepOutcome step(const std::vector<DocumentPack>& packs, double learning_rate,
                   std::int64_t update) {
    const ProcessGrid& grid = groups_->grid;
    const int dp = grid.layout().dp;
    const auto count = static_cast<std::int64_t>(packs.size());
    return runner_.run(
        (count + dp - 1) / dp,
        [&](std::int64_t index) -> const MicroBatch& {
          const std::int64_t pack = index * dp + grid.dp_rank();
          fill(pack < count ? packs[static_cast<std::size_t>(pack)] : DocumentPack{});
          return batch_;
        },
        learning_rate, update);
  }

  const MicroBatch& fill(const DocumentPack& pack) {
    std::vector<Document> documents;
    for (const OwnedDocument& document : pack) documents.push_back(document.view());
    fill_micro_batch(documents, groups_->grid.layout(), groups_->grid.cp_rank(), max_tokens_,
                     batch_);
    return batch_;
  }

  [[nodiscard]] const ParameterTable& table() const { return table_; }
  [[nodiscard]] TrainingMemory& memory() { return memory_; }
  [[nodiscard]] Runtime& runtime() { return runtime_; }

  /// count fp32 values of device memory.
  [[nodiscard]] std::vector<float> to_host(const float* device, std::int64_t count) const {
    std::vector<float> host(static_cast<std::size_t>(count));
    copy_to_host(host.data(), device, host.size() * sizeof(float));
    return host;
  }
  /// A matrix in device memory, without the gaps between its rows.
  [[nodiscard]] std::vector<float> to_host(ConstMatrixView m) const {
    if (m.rows == 0) return {};
    const auto row_bytes = static_cast<std::size_t>(m.stride) * size_of(m.dtype);
    std::vector<std::byte> rows(static_cast<std::size_t>(m.rows - 1) * row_bytes +
                                static_cast<std::size_t>(m.cols) * size_of(m.dtype));
    copy_to_host(rows.data(), m.data, rows.size());
    std::vector<float> host(static_cast<std::size_t>(m.size()));
    for (std::int64_t row = 0; row < m.rows; ++row) {
      convert_values(rows.data() + static_cast<std::size_t>(row) * row_bytes, m.dtype,
                     host.data() + row * m.cols, DType::f32, m.cols);
    }
    return host;
  }

  /// This rank's shards of all parameters, as ShardLayout has them: `shards` on the device.
  [[nodiscard]] std::vector<float> shards_on_host(const float* shards) const {
    return to_host(shards, memory_.layout().size());
  }

  /// The whole of a tensor, from the shards of a run on one rank, on the host.
  [[nodiscard]] std::vector<float> tensor(int index, const std::vector<float>& shards) const {
    std::vector<float> out;
    for (std::size_t i = 0; i < table_.parameters().size(); ++i) {
      const Parameter& p = table_.parameters()[i];
      for (const ParameterPiece& piece : p.pieces) {
        if (piece.tensor != index) continue;
        const float* begin = shards.data() + memory_.layout().offset(static_cast<int>(i)) +
                             piece.parameter_row * p.cols;
        out.assign(begin, begin + piece.slice.size());
      }
    }
    return out;
  }

 private:
  void copy_to_host(void* host, const void* from, std::size_t bytes) const {
    Device& device = runtime_.device;
    device.copy_to_host(host, from, bytes, device.compute_stream());
    device.synchronize(device.compute_stream());
  }

  ModelConfig config_;
  std::shared_ptr<RankGroups> groups_;
  ParameterTable table_;
  Log log_;
  Runtime runtime_;
  std::int64_t max_tokens_;
  TrainingMemory memory_;
  StepRunner runner_;
  MicroBatch batch_;
};

}  // namespace longhaul::testing
