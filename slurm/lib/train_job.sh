# shellcheck shell=bash
# What the batch scripts share; docs/launching.md explains it.
#   require_variables NAME...   stops with a message when one is missing
#   train_job FLAG...           runs `longhaul train FLAG...` on the allocation, and ends the script:
#                               on Slurm's warning before the time limit the ranks write a checkpoint,
#                               the job is queued again, and the next start resumes
#
# Variables that the user may set when submitting:
#   LONGHAUL       the program (this tree's build, else the one in PATH)
#   LAUNCHER       srun (needs Slurm's PMIx plugin) or mpirun
#   MAX_RESTARTS   how often to start again within the allocation after a failure (3)

# longhaul's exit status when it stopped on request, with a checkpoint.
readonly STOPPED=75

job_fail() {
  printf 'error: %s\n' "$*" >&2
  exit 2
}

require_variables() {
  local name missing=()
  for name in "$@"; do
    if [[ -z ${!name-} ]]; then missing+=("$name"); fi
  done
  ((${#missing[@]} == 0)) ||
    job_fail "${missing[*]} not set: submit with, for instance, ${missing[0]}=/path sbatch ..."
}

find_program() {
  if [[ -z ${LONGHAUL-} ]]; then
    LONGHAUL=$LONGHAUL_ROOT/build/release/src/app/longhaul
    [[ -x $LONGHAUL ]] || LONGHAUL=$(command -v longhaul) ||
      job_fail "no longhaul on $(hostname): build it, put it in PATH, or set LONGHAUL=/path/to/longhaul"
  fi
  [[ -x $LONGHAUL ]] || job_fail "LONGHAUL=$LONGHAUL on $(hostname) is no program"
}

# What Open MPI and OpenMP should know; a value that the user has set stays.
set_job_environment() {
  if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
  export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle-1}
  export OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy-none}
  export OMPI_MCA_oob_tcp_keepalive_time=${OMPI_MCA_oob_tcp_keepalive_time-5}
  export OMPI_MCA_oob_tcp_keepalive_intvl=${OMPI_MCA_oob_tcp_keepalive_intvl-2}
  export OMPI_MCA_oob_tcp_keepalive_probes=${OMPI_MCA_oob_tcp_keepalive_probes-3}
  export OMP_NUM_THREADS=${OMP_NUM_THREADS-${SLURM_CPUS_PER_TASK-1}}
}

# Sets START to the command in front of longhaul.
choose_launcher() {
  case ${LAUNCHER-srun} in
    srun)
      local plugins
      plugins=$(srun --mpi=list 2>&1) || true
      if ! grep -qw pmix <<<"$plugins"; then
        job_fail "Slurm on $(hostname) has no PMIx plugin (srun --mpi=list: $(paste -sd ' ' <<<"$plugins")):" \
          "have it installed (Debian: slurm-wlm-basic-plugins with libpmix2), or submit with LAUNCHER=mpirun"
      fi
      # A task that fails ends the others at once; one that leaves early ends them after a minute.
      START=(srun --mpi=pmix --kill-on-bad-exit=1 --wait=60 --cpus-per-task="${SLURM_CPUS_PER_TASK-1}")
      ;;
    mpirun)
      command -v mpirun >/dev/null || job_fail "no mpirun on $(hostname): load Open MPI's module"
      # mpirun takes hosts and tasks from the allocation and starts its daemons through srun.
      START=(mpirun --map-by slot --mca orte_abort_on_non_zero_status 1)
      ;;
    *) job_fail "LAUNCHER=$LAUNCHER: choose srun or mpirun" ;;
  esac
}

STARTED_PID=
# Set once Slurm has warned of the time limit.
WARNED=no

# Slurm's warning: srun and mpirun hand SIGUSR1 to every rank.
on_warning() {
  WARNED=yes
  printf '%s: the time limit is near: the ranks write a checkpoint and stop\n' "$(date '+%F %T')"
  if [[ -n $STARTED_PID ]]; then kill -USR1 "$STARTED_PID" 2>/dev/null || true; fi
}

# Runs the words to their end; STATUS is their exit status.
run_and_wait() {
  "$@" </dev/null &
  STARTED_PID=$!
  while true; do
    STATUS=0
    wait "$STARTED_PID" || STATUS=$?
    # A signal of ours ends the waiting early.
    kill -0 "$STARTED_PID" 2>/dev/null || break
  done
  STARTED_PID=
}

requeue_job() {
  printf '%s: queued again; the next start resumes\n' "$(date '+%F %T')"
  # Slurm ends this script when it has taken the request.
  if scontrol requeue "$SLURM_JOB_ID"; then sleep 60; fi
  printf 'The job cannot be queued again (--no-requeue?): submit it anew to continue, or as a chain\n'
  exit "$STOPPED"
}

train_job() {
  local restarts=0
  trap on_warning USR1
  find_program
  set_job_environment
  choose_launcher
  printf '%s: job %s, start %d, %s tasks on %s\n' "$(date '+%F %T')" "$SLURM_JOB_ID" \
    $((${SLURM_RESTART_COUNT-0} + 1)) "${SLURM_NTASKS-?}" "${SLURM_JOB_NODELIST-?}"
  while true; do
    run_and_wait "${START[@]}" "$LONGHAUL" train "$@"
    ((STATUS != 0)) || exit 0
    if [[ $WARNED == yes ]]; then requeue_job; fi
    if ((STATUS == 2 || STATUS == STOPPED || restarts >= ${MAX_RESTARTS-3})); then exit "$STATUS"; fi
    restarts=$((restarts + 1))
    printf '%s: failed with status %d; restart %d of %d from the newest checkpoint\n' "$(date '+%F %T')" \
      "$STATUS" "$restarts" "${MAX_RESTARTS-3}"
  done
}
