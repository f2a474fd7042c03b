#pragma once

#include <cstdint>
#include <string>

#include "comm/process_grid.h"
#include "model/model_config.h"
#include "train/train_options.h"

namespace longhaul {

/// Where a run stands: with the weights, the moments and the data's order, all that resuming needs.
struct RunState {
  std::int64_t step = 0;              // steps done, skipped ones included
  std::int64_t updates = 0;           // optimizer updates done: AdamW's t
  int skipped_in_a_row = 0;           // steps skipped since the last update
  std::int64_t consumed_samples = 0;  // of all steps done

  friend bool operator==(const RunState&, const RunState&) = default;
};

/// What a checkpoint says about the run that wrote it.
struct RunRecord {
  const TrainOptions& options;
  const ModelConfig& config;
  ParallelLayout layout;
  std::string backend;        // Backend::describe()
  std::string data_identity;  // JSON object text: what determines the order and content of the data
};

/// The text of a config.json without the keys that change nothing in the numbers of a run.
std::string comparable_model(const std::string& config);

/// The metadata JSON text of a checkpoint.
std::string to_metadata(const RunState& state, const RunRecord& record);

/// The state in a checkpoint's metadata. Throws UserError when the checkpoint was written by a run
/// with another model, other data or another order of it, listing every key that differs with both
/// values. The layout, the backend and the optimizer's settings may differ. `source` names the
/// checkpoint.
RunState resume_state(const std::string& metadata, const RunRecord& record,
                      const std::string& source);

}  // namespace longhaul
