#pragma once

#include "app/flags/options.h"
#include "train/train_options.h"

namespace longhaul {

/// Declares under `heading` the flags that choose the backend: those make_backend() looks at.
void add_backend_flags(OptionParser& parser, const char* heading, TrainOptions& options);

/// Declares the flags of `longhaul train`, which store into `options`.
void add_train_flags(OptionParser& parser, TrainOptions& options);

/// The command line of `longhaul train` with all that its --help tells.
OptionParser make_train_parser(TrainOptions& options);

}  // namespace longhaul
