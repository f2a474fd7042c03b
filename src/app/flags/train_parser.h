#pragma once

#include "app/flags/options.h"
#include "train/train_options.h"

namespace longhaul {

/// The command line of `longhaul train` with all that its --help tells.
OptionParser make_train_parser(TrainOptions& options);

}  // namespace longhaul
