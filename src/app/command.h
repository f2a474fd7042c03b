#pragma once

namespace longhaul {

// The subcommands, each in the file of its name. argv[0] is the subcommand itself. They return the
// process's exit code, or throw UserError / InternalError / CollectiveError, which main() prints.
int run_train(int argc, char** argv);
int run_import(int argc, char** argv);
int run_export(int argc, char** argv);
int run_inspect(int argc, char** argv);
int run_data(int argc, char** argv);
int run_init(int argc, char** argv);
int run_bench(int argc, char** argv);
int run_completion(int argc, char** argv);

}  // namespace longhaul
