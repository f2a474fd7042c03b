#pragma once

#include "comm/coordinator.h"
#include "core/log.h"
#include "data/batches/dataset_options.h"
#include "data/cache/row_batch.h"
#include "data/dataset/dataset.h"
#include "data/template/row_encoder.h"

namespace longhaul {

/// From data files to samples: takes the token cache of an earlier run or tokenizes on all ranks
/// together and writes it, applies the length policy, splits, writes rejected.jsonl, and says on
/// rank 0 what was kept. A cache that is damaged or was made from something else is rebuilt.
/// Collective; every failure is a CollectiveError on all ranks, for example when no row can be
/// trained on.
Dataset prepare_dataset(Coordinator& coordinator, const DatasetOptions& options,
                        const RowEncoder& encoder, const Log& log);
Dataset prepare_dataset(Coordinator& coordinator, const DatasetOptions& options,
                        const SampleEncoder& encoder, const Log& log);

}  // namespace longhaul
