# shellcheck shell=bash
# The text of --help, with the calling script's own defaults.

# default_of FLAG -> "8", or a remark where the scripts have no default of their own
default_of() { printf '%s' "${OPTION[$1]-${2-the default of longhaul}}"; }

# print_help NAME_OF_SCRIPT
print_help() {
  local name=$1
  cat <<TEXT
NAME
  $name - fine-tune a Qwen model on several hosts that are reached over ssh

SYNOPSIS
  bash $name --ips HOST,HOST,... --model DIR --dataset FILE... --save DIR [flags]
             [-- FLAGS OF longhaul train]

DESCRIPTION
  Writes Open MPI's hostfile, asks every host over ssh whether the job can run there, and starts
  'longhaul train' on all of them through mpirun; the progress of rank 0 appears here. What is wrong
  on any host is told within seconds in one table: host, what, what to do.

  Run it on the first of the hosts, or on another machine that sees --save. The program, the model,
  the data set and --save must have the same paths on every host.

  The same command again continues from the newest checkpoint in --save.

HOSTS
  --ips HOST,HOST,...     addresses or names of the hosts; rank 0 is on the first
  --ip_file FILE          the same from a file, one or more a line; # starts a comment
  --user NAME             account on the hosts (${OPTION[user]})
  --ssh_port N            port of their sshd (${OPTION[ssh_port]})
  --ssh_password_file F   file whose first line is the account's password; nobody else may read it
  --ssh_password TEXT     the password itself. Every user of this machine can read command lines: use
                          --ssh_password_file or LONGHAUL_SSH_PASSWORD. Keys and agents need none.
  --host_keys HOW         accept-new: the key of a host that is seen for the first time is accepted and
                          kept in LAUNCH_DIR/known_hosts; known: it must be known already. A key that
                          has changed is refused either way. (${OPTION[host_keys]})
  --nproc_per_node N      ranks of each host (the number of its GPUs, which must be the same on all;
                          1 where there are none)
  --port N                first of the TCP ports that must be free on every host (${OPTION[port]}):
                          N to N+3 for Open MPI's daemons, N+4 to N+63 for its ranks
  --longhaul PATH         the program on the hosts (this tree's build, else the one in PATH)
  --mpi_prefix DIR        Open MPI's directory on the hosts, where DIR/bin is not in PATH

TRAINING (flags of 'longhaul train'; its --help says more)
  --model DIR             Hugging Face model directory, or a checkpoint ($(default_of model required))
  --load DIR              weights to start from instead of --model's: a checkpoint, or a Hugging Face
                          directory; model and tokenizer are taken from there, too
  --dataset FILE...       conversations, JSON lines
  --save DIR              directory for checkpoints and logs, shared by all hosts
  --micro_bs N            packs of one forward pass ($(default_of micro_bs))
  --global_bs N           packs of one optimizer step, over all ranks ($(default_of global_bs))
  --tensor_model_parallel_size N    ranks that share a layer ($(default_of tensor_model_parallel_size "chosen by longhaul"))
  --context_parallel_size N         ranks that share a sequence ($(default_of context_parallel_size "chosen by longhaul"))
  --pipeline_model_parallel_size N  only ${OPTION[pipeline_model_parallel_size]} is supported
  --max_length N          tokens of a pack, and of the longest sample (${OPTION[max_length]})
  --epochs N              passes over the data (${OPTION[epochs]})
  --save_interval N       steps between checkpoints, and between evaluations (${OPTION[save_interval]})
  --save_total_limit N    checkpoints to keep, the newest; 0: all ($(default_of save_total_limit))
  --lr X, --min_lr X      highest and last learning rate (${OPTION[lr]}, ${OPTION[min_lr]})
  --lr_warmup_fraction R  share of the run with rising learning rate (${OPTION[lr_warmup_fraction]})
  --split_dataset_ratio R share of the data to evaluate on (${OPTION[split_dataset_ratio]})
  --val_dataset FILE      conversations to evaluate on
  --packing HOW           true, balanced or false (${OPTION[packing]})
  --loss_scale POLICY     what carries loss (${OPTION[loss_scale]})
  --template_mode MODE    how conversations are written: hf (the model's own chat template), or
                          swift-3.13, swift-3.7 as those releases of ms-swift do (${OPTION[template_mode]})
  --recompute_granularity MODE      auto, none, selective or full (${OPTION[recompute_granularity]})
  --backend NAME          auto, cpu or cuda (${OPTION[backend]})
  --comm_timeout SECONDS  how long ranks wait for each other before the run is ended ($(default_of comm_timeout))
  -- FLAG...              any other flags of 'longhaul train'

THE RUN
  --dry_run               print the hostfile and the whole command, contact no host, and stop
  --preflight_only        check hosts and ranks as before a run, and stop
  --max_restarts N        after a failure start again from the newest complete checkpoint, at most
                          so many times (${OPTION[max_restarts]})
  --restart_wait SECONDS  how long a restart waits for hosts that do not answer (${OPTION[restart_wait]})
  --elastic               a restart leaves out hosts that do not answer or fail the checks, as long as
                          the ranks that are left are a multiple of TP x CP (data parallelism shrinks)
  --launch_dir DIR        where hostfile and known_hosts are kept (SAVE/launch)
  -h, --help              print this text and stop

  Flags may be written with - for _ and with = before the value. Switches take true or false, too.

SIGNALS
  Ctrl-C, SIGTERM or SIGHUP once: the ranks finish their step, write a checkpoint and stop (exit status
  75). A second one ends everything at once. Only processes of this job are ever signalled.

EXIT STATUS
  0    the run, the checks or the dry run ended well
  2    something that you can mend: flags, hosts, files, data; the message says what
  75   stopped on request after a checkpoint; the same command continues
  130, 143, 129    ended at once by a second signal (INT, TERM, HUP)
  other            the status of the first rank that failed (137: killed), 205: contact with a host lost

ENVIRONMENT
  LONGHAUL_SSH_PASSWORD   the account's password; no rank gets to see it
  NCCL_*, OMP_*, OPENBLAS_*, UCX_*, HDF5_*, LONGHAUL_*, CUDA_VISIBLE_DEVICES, LD_LIBRARY_PATH, NO_COLOR
                          are handed to the ranks on every host
  OMPI_MCA_*              Open MPI's own settings; docs/launching.md lists those that are set here
  TMPDIR                  where this script keeps its files while it runs (/tmp)

FILES
  SAVE/launch/hostfile       Open MPI's list of hosts
  SAVE/launch/known_hosts    ssh host keys seen by jobs of this SAVE
  SAVE/failure.json          what the ranks said about the last failure
  SAVE/train_log.jsonl       loss, speed and memory of every step

EXAMPLES
  bash $name --ips 10.0.8.7,10.0.8.8,10.0.8.9,10.0.8.11 --ssh_password_file ~/.cluster-password \\
    --model /models/Qwen3-32B --dataset /data/rows.jsonl --save /checkpoints/run1
  bash $name --ip_file hosts.txt --max_restarts 3 --elastic --model ... --dataset ... --save ... \\
    --template_mode swift-3.13 -- --seed 7

SEE ALSO
  docs/launching.md (also Slurm, and what each failure looks like), longhaul train --help
TEXT
}
