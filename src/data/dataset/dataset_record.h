#pragma once

#include <filesystem>
#include <string>

#include "data/dataset/dataset.h"

namespace longhaul {

/// The settings that decide which rows a run uses and in which order, with the token cache they
/// refer to, as a JSON object text: the key "order" of data_report.json.
std::string dataset_record(const Dataset& dataset);

/// A run's data as its data_report.json recorded them.
struct RecordedDataset {
  DatasetOptions options;
  Dataset dataset;
};

/// Opens the data of the run that wrote `save`/data_report.json last, from its token cache: neither
/// the data files nor the model are needed. Throws UserError when the report or the cache is
/// absent, damaged, of another version, or when they do not belong together.
RecordedDataset open_recorded_dataset(const std::filesystem::path& save);

}  // namespace longhaul
