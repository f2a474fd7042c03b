// What `longhaul train --help` says besides the flags.
#include "app/flags/train_parser.h"

namespace longhaul {
namespace {

constexpr const char* kSummary =
    "Fine-tunes all parameters of a Qwen2.5 or Qwen3 model on conversations. Start one process a "
    "rank with mpirun or srun. --model, --dataset and --save are needed. The same command again "
    "continues from the newest checkpoint in SAVE, on any number of ranks and in any layout.\n\n"
    "Flags may be written --like-this and --flag=value too. N is a whole number, X a number, R a "
    "share from 0 to 1; lengths are in tokens, times in seconds.";

constexpr const char* kFiles =
    "  SAVE/step_00000050/             a checkpoint; SAVE/latest names the newest\n"
    "  SAVE/train_log.jsonl            one JSON object a step; SAVE/runs: the same for "
    "TensorBoard\n"
    "  SAVE/rejected.jsonl             every row that is not trained on, and why\n"
    "  SAVE/data_report.json           rows, tokens, lengths and packs\n"
    "  SAVE/failure.json               what ended the last run, when it failed\n"
    "  SAVE/cache/                     tokenized data, used again by the next start\n"
    "  ~/.cache/longhaul/              the fastest algorithms of matrix products (on GPUs)";

constexpr const char* kEnvironment =
    "  OMP_NUM_THREADS                 CPU threads of a rank, when --threads is 0\n"
    "  CUDA_VISIBLE_DEVICES            the GPUs that a rank may use\n"
    "  CUDA_MPS_PIPE_DIRECTORY         where NVIDIA's MPS is, for several ranks a GPU\n"
    "  NCCL_...                        NCCL's own variables; what we set, the user's values "
    "replace\n"
    "  OMPI_MCA_...                    Open MPI's parameters; mpi_yield_when_idle=1 with more "
    "ranks\n"
    "                                  than cores\n"
    "  XDG_CACHE_HOME, HOME            where --gemm_cache_file auto lies\n"
    "  NO_COLOR, TERM                  no colours when NO_COLOR is set or TERM is dumb\n"
    "  LC_ALL, LC_CTYPE, LANG          UTF-8 or ASCII on the console\n"
    "  LONGHAUL_CONSOLE=live|plain     a status line, or plain lines, whatever the output is";

constexpr const char* kExitCodes =
    "  0    the run is complete, or --preflight_only found nothing wrong\n"
    "  1    failure: a lost rank, a disk or network error, a failed check of the program itself\n"
    "  2    something you can mend: flags, files, data, what the checks before the run found\n"
    "  75   stopped on request (SIGTERM, SIGUSR1) after writing a checkpoint: the same command\n"
    "       continues; scripts that requeue test for it\n"
    "  128 + signal after a second signal, which ends the run at once\n"
    "  mpirun passes the code of the first rank that failed on.";

constexpr const char* kExamples =
    "  Could this run start? Checks hosts, files, memory and disk, and trains nothing:\n"
    "    mpirun -hostfile hosts longhaul train --model Qwen3-8B --dataset rows.jsonl --save out "
    "\\\n"
    "        --preflight_only true\n\n"
    "  Four ranks on this machine's CPU, tensor parallel 2 x context parallel 2:\n"
    "    mpirun -n 4 longhaul train --model Qwen3-0.6B --dataset rows.jsonl --save out \\\n"
    "        --backend cpu --tensor_model_parallel_size 2 --context_parallel_size 2 \\\n"
    "        --max_length 8192 --global_bs 8 --micro_bs 1\n\n"
    "  500 rows of one file and all of another, a tenth set aside to evaluate on:\n"
    "    longhaul train --model DIR --dataset a.jsonl#500 b.jsonl --split_dataset_ratio 0.1 "
    "--save out\n\n"
    "  Flags from a file; the command line wins:\n"
    "    longhaul train --config run.conf --lr 2e-5";

}  // namespace

OptionParser make_train_parser(TrainOptions& options) {
  OptionParser parser("train --model DIR --dataset FILE... --save DIR [flags]", kSummary,
                      train_option_table(options));
  parser.add_section("Files", kFiles);
  parser.add_section("Environment", kEnvironment);
  parser.add_section("Exit codes", kExitCodes);
  parser.add_section("Examples", kExamples);
  return parser;
}

}  // namespace longhaul
