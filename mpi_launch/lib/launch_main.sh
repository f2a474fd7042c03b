# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # files of this folder share variables
# What all launchers do: source this, change defaults in OPTION if need be, call
#   launch_main SCRIPT "$@"
# with the path of the calling script.

lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mpi_launch/lib/dependencies.sh
source "$lib/dependencies.sh"
for part in launch_options launch_help password ssh hosts host_checks ranks mpirun_command run_job \
  failure_report restart; do
  # shellcheck disable=SC1090
  source "$lib/$part.sh"
done
unset part

# Folder of this launcher's own files, removed at the end; the name that marks the job's processes; and
# where Open MPI keeps its session files on every host.
WORK=
JOB_NAME=
SESSION_FOLDER=
# Remarks for the user, printed before the job starts.
declare -a NOTES=()
NETWORK=
INTERFACES=
# Stands for the user's own --resume when it is set.
RESUME=

leave() {
  local status=$?
  trap - EXIT
  # Signals would interrupt the tidying up.
  trap '' INT TERM HUP
  if mpirun_is_alive; then
    end_mpirun
    wait "$MPIRUN_PID" 2>/dev/null || true
    clean_hosts "${HOSTS[@]}"
  fi
  # mpirun has session files here, too, when this machine is none of the hosts.
  if [[ -n $WORK ]]; then rm -rf -- "$WORK" "$SESSION_FOLDER"; fi
  exit "$status"
}

# Makes the folders, the ssh wrapper and what it needs.
prepare_work() {
  local parent=${TMPDIR:-/tmp}
  # Open MPI splits the agent's path at spaces.
  [[ $parent != *[[:space:]]* ]] || parent=/tmp
  WORK=$(umask 077 && mktemp -d "$parent/longhaul-launch.XXXXXXXX") ||
    fail 1 "$parent on $(hostname) cannot be written to: free some space there or set TMPDIR"
  JOB_NAME=$(hostname -s)-$$-$(date +%s)
  SESSION_FOLDER=/tmp/longhaul-session.$JOB_NAME
  if [[ -n $PASSWORD_SOURCE ]]; then write_askpass "$WORK/askpass"; fi
  write_ssh_wrapper "$WORK/ssh" "$WORK/askpass"
}

make_launch_folder() {
  mkdir -p -- "${OPTION[launch_dir]}" 2>/dev/null || true
  [[ -d ${OPTION[launch_dir]} && -w ${OPTION[launch_dir]} ]] ||
    fail 2 "${OPTION[launch_dir]} on $(hostname) cannot be written to, where the hostfile and the" \
      "hosts' ssh keys go: change permissions, give another --save, or --launch_dir"
}

require_programs() {
  local mpirun
  mpirun=$(mpirun_program)
  command -v "$mpirun" >/dev/null ||
    fail 2 "no mpirun on $(hostname): install Open MPI (Debian: openmpi-bin), or give --mpi_prefix"
  [[ $("$mpirun" --version 2>&1) == *"Open MPI"* ]] ||
    fail 2 "$mpirun is not Open MPI's: put Open MPI 4 first in PATH, or give --mpi_prefix"
  local host
  for host in "${HOSTS[@]}"; do
    if [[ -z ${IS_LOCAL[$host]-} ]] && ! command -v ssh >/dev/null; then
      fail 2 "no ssh on $(hostname): install an OpenSSH client (Debian: openssh-client)"
    fi
  done
}

# Without asking any host: what a job would do.
dry_run() {
  local gpus=0
  if [[ -z ${OPTION[nproc_per_node]-} ]]; then
    if [[ ${OPTION[backend]} == cpu ]]; then
      OPTION[nproc_per_node]=1
    else
      gpus=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | grep -c .) || gpus=0
      ((gpus > 0)) || gpus=8
      OPTION[nproc_per_node]=$gpus
      NOTES+=("a dry run asks no host for its GPUs: $gpus ranks a host assumed (--nproc_per_node sets the number)")
    fi
  fi
  stop_at_faults
  check_layout "${#HOSTS[@]}"
  SESSION_FOLDER=/tmp/longhaul-session.NAME
  build_command "${OPTION[launch_dir]}/hostfile" "${#HOSTS[@]}"
  print_notes
  printf '# %s/hostfile\n' "${OPTION[launch_dir]}"
  hostfile_text "${OPTION[nproc_per_node]}" "${HOSTS[@]}"
  printf '\n'
  print_command
}

print_notes() {
  local note
  for note in ${NOTES[@]+"${NOTES[@]}"}; do say "note: $note" >&2; done
}

launch_main() {
  local script=$1 began=$SECONDS
  shift
  take_password "$script" "$@"
  parse_options "$@"
  if [[ -n ${GIVEN[help]-} ]]; then
    print_help "$(basename -- "$script")"
    exit 0
  fi
  check_options
  choose_program
  find_password_source
  read_hosts
  resolve_hosts
  if [[ ${OPTION[dry_run]-} == true ]]; then
    dry_run
    exit 0
  fi
  stop_at_faults
  require_programs
  make_launch_folder
  trap leave EXIT
  watch_signals
  prepare_work
  check_hosts "${HOSTS[@]}"
  compare_programs "${HOSTS[@]}"
  choose_ranks "${HOSTS[@]}"
  stop_at_faults
  check_layout "${#HOSTS[@]}"
  find_network "${HOSTS[@]}"
  say "Hosts       ${#HOSTS[@]} checked in $((SECONDS - began)) s: ${HOSTS[*]}"
  say "Ranks       ${OPTION[nproc_per_node]} a host, $((${#HOSTS[@]} * OPTION[nproc_per_node])) in all"
  if [[ -n $NETWORK ]]; then say "Network     $NETWORK ($INTERFACES)"; fi
  print_notes
  run_with_restarts
}
