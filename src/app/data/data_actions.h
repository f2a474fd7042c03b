#pragma once

namespace longhaul {

// The actions of `longhaul data`. argv[0] is "data ACTION", for messages. They return the process's
// exit code or throw, as subcommands do (app/command.h).
int run_data_encode(int argc, char** argv);
int run_data_decode(int argc, char** argv);
int run_data_render(int argc, char** argv);
int run_data_check(int argc, char** argv);
int run_data_show(int argc, char** argv);
int run_data_diff_template(int argc, char** argv);
int run_data_stats(int argc, char** argv);
int run_data_prepare(int argc, char** argv);
int run_data_where(int argc, char** argv);

}  // namespace longhaul
