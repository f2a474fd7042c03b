#pragma once

namespace longhaul {

// Actions of `longhaul data` that tell of whole data sets; argv[0] is the action. They return the
// process's exit code.

/// Builds the token cache of a run ahead of it.
int run_data_prepare(int argc, char** argv);
/// The account of every row, without a cache.
int run_data_stats(int argc, char** argv);
/// Which rows a run trains on when.
int run_data_where(int argc, char** argv);

}  // namespace longhaul
