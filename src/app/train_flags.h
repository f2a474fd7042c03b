#pragma once

#include "app/options.h"
#include "train/train_options.h"

namespace longhaul {

/// Declares the flags of `longhaul train`, which store into `options`.
void add_train_flags(OptionParser& parser, TrainOptions& options);

}  // namespace longhaul
