#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/coordinator.h"
#include "compute/runtime.h"
#include "data/micro_batch.h"
#include "train/model_state.h"
#include "train/step_runner.h"
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
    Recompute recompute = Recompute::none;
    double clip_grad = 1.0;
    AdamWOptions adamw;
    std::int64_t max_tokens = 1024;  // before padding
    int threads = 1;
  };

  /// One rank on its own.
  TinyRun(ModelConfig config, const Setup& setup)
      : TinyRun(std::move(config), Layout{1, 1, 1}, make_solo_coordinator(),
                make_self_communicators(), setup) {}

  TinyRun(ModelConfig config, const Layout& layout, std::unique_ptr<Coordinator> coordinator,
          Communicators comms, const Setup& setup)
      : config_(std::move(config)),
        coordinator_(std::move(coordinator)),
        comms_(std::move(comms)),
        grid_(layout, coordinator_->rank()),
        table_(config_, grid_),
        backend_(make_cpu_backend(setup.threads)),
        log_(coordinator_->rank(), coordinator_->host()),
        runtime_{grid_, *backend_, comms_, *coordinator_, log_, backend_->create_stream("comm")},
        max_tokens_(padded_stream_tokens(setup.max_tokens, layout)),
        memory_(runtime_, config_, table_, setup.adamw,
                {max_tokens_, setup.max_tokens, setup.recompute}),
        runner_(runtime_, memory_, setup.clip_grad) {}

  void load(const WeightSource& source) { load_weights(runtime_, table_, source, memory_); }

  /// One optimizer step on `packs`, given to the DP ranks in turn, one pack a micro-batch.
  StepOutcome step(const std::vector<DocumentPack>& packs, double learning_rate,
                   std::int64_t update) {
    const int dp = grid_.layout().dp;
    const auto count = static_cast<std::int64_t>(packs.size());
    return runner_.run(
        (count + dp - 1) / dp,
        [&](std::int64_t index) -> const MicroBatch& {
          const std::int64_t pack = index * dp + grid_.dp_rank();
          fill(pack < count ? packs[static_cast<std::size_t>(pack)] : DocumentPack{});
          return batch_;
        },
        learning_rate, update);
  }

  const MicroBatch& fill(const DocumentPack& pack) {
    std::vector<Document> documents;
    for (const OwnedDocument& document : pack) documents.push_back(document.view());
    fill_micro_batch(documents, grid_.layout(), grid_.cp_rank(), max_tokens_, batch_);
    return batch_;
  }

  [[nodiscard]] const ParameterTable& table() const { return table_; }
  [[nodiscard]] TrainingMemory& memory() { return memory_; }
  [[nodiscard]] Runtime& runtime() { return runtime_; }

  /// The whole of a tensor, from the shards of a run on one rank: the master weights, or what
  /// `shards` points to in the same layout (gradients, moments).
  [[nodiscard]] std::vector<float> tensor(int index, const float* shards) const {
    std::vector<float> out;
    for (std::size_t i = 0; i < table_.parameters().size(); ++i) {
      const Parameter& p = table_.parameters()[i];
      for (const Rectangle& piece : p.pieces) {
        if (piece.tensor != index) continue;
        const float* begin =
            shards + memory_.layout().offset(static_cast<int>(i)) + piece.parameter_row * p.cols;
        out.assign(begin, begin + piece.rows * piece.cols);
      }
    }
    return out;
  }

 private:
  ModelConfig config_;
  std::unique_ptr<Coordinator> coordinator_;
  Communicators comms_;
  ProcessGrid grid_;
  ParameterTable table_;
  std::unique_ptr<Backend> backend_;
  Log log_;
  Runtime runtime_;
  std::int64_t max_tokens_;
  TrainingMemory memory_;
  StepRunner runner_;
  MicroBatch batch_;
};

}  // namespace longhaul::testing
