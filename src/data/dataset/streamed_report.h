#pragma once

#include "comm/coordinator.h"
#include "core/log.h"
#include "data/cache/row_batch.h"
#include "data/dataset/data_report.h"

namespace longhaul {

/// The account of every row, without a token cache: rows are tokenized, counted and forgotten. What
/// stays in memory is about 60 bytes and the id of each row. Nothing is written. An over-long
/// sample is no error, whatever the truncation strategy. Collective; the report is rank 0's, and
/// empty elsewhere. Throws CollectiveError, for example when a file cannot be read.
DataReport stream_data_report(Coordinator& coordinator, const DatasetOptions& options,
                              const SampleEncoder& encoder, const Log& log);

}  // namespace longhaul
