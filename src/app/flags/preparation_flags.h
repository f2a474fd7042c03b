#pragma once

#include <string>

#include "core/options/option_table.h"
#include "data/template/encoding_settings.h"
#include "train/dataset_settings.h"

namespace longhaul {

/// What `data prepare` and `data stats` can be told: the flags of train that concern data.
struct PreparationFlags : DatasetSettings {
  std::string model;
  EncodingSettings encoding;

  /// The layout as far as it is known here: of one data-parallel rank.
  [[nodiscard]] ParallelLayout stream_layout() const;
};

/// The rows of all but `save`.
OptionTable preparation_table(PreparationFlags& flags);

/// Throws UserError for bad files or flags.
RowEncoder load_encoder(const PreparationFlags& flags);

}  // namespace longhaul
