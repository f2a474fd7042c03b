# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # files of this folder share variables
# Runs mpirun once, passes signals on, and leaves nothing behind.
#   run_job           runs COMMAND; JOB_STATUS is mpirun's exit status, JOB_RECORD whether the ranks left
#                     a record of their failure
#   clean_hosts H...  ends what is left of the job; UNREACHED lists hosts that do not answer

MPIRUN_PID=
JOB_STATUS=0
JOB_RECORD=no
# Signals that this script got, and the exit status that belongs to the first one.
SIGNAL_COUNT=0
SIGNAL_STATUS=0

# Seconds that mpirun may take to end everything before it is killed; its daemons then notice.
readonly END_PATIENCE=4
# Seconds that mpirun may take to end by itself after the ranks have said why they failed.
readonly RECORD_PATIENCE=5
# Seconds after which every host must have ranks.
readonly START_PATIENCE=30

mpirun_is_alive() { [[ -n $MPIRUN_PID ]] && kill -0 "$MPIRUN_PID" 2>/dev/null; }

# on_signal STATUS: the first signal asks the ranks to write a checkpoint and stop, the next one ends
# them at once.
on_signal() {
  SIGNAL_COUNT=$((SIGNAL_COUNT + 1))
  if ((SIGNAL_COUNT == 1)); then SIGNAL_STATUS=$1; fi
  if ! mpirun_is_alive; then
    say ""
    say "Interrupted."
    exit "$1"
  fi
  if ((SIGNAL_COUNT == 1)); then
    say ""
    say "Stopping: the ranks finish their step and write a checkpoint. Once more ends them at once."
    # mpirun hands SIGUSR1 to every rank; SIGINT or SIGTERM would end them.
    kill -USR1 "$MPIRUN_PID" 2>/dev/null || true
  else
    say ""
    say "Ending all ranks at once."
    end_mpirun
  fi
}

# Ends the ranks through mpirun, the hard way after some seconds.
end_mpirun() {
  local pid=$MPIRUN_PID
  kill -TERM "$pid" 2>/dev/null || return 0
  (
    trap - INT TERM HUP EXIT
    for ((i = 0; i < END_PATIENCE * 5; i++)); do
      kill -0 "$pid" 2>/dev/null || exit 0
      sleep 0.2
    done
    kill -KILL "$pid" 2>/dev/null
  ) &
}

watch_signals() {
  trap 'on_signal 130' INT
  trap 'on_signal 143' TERM
  trap 'on_signal 129' HUP
}

# Starts COMMAND with the job's mark, in a session of its own, so that Ctrl-C on the terminal reaches
# only this script; and so that it ends when this script is killed.
start_mpirun() {
  local tie=()
  if command -v setpriv >/dev/null && setpriv --pdeathsig TERM true 2>/dev/null; then
    tie=(setpriv --pdeathsig TERM)
  fi
  env "$JOB_VARIABLE=$JOB_NAME" "PATH=$WORK:$PATH" ${tie[@]+"${tie[@]}"} setsid "${COMMAND[@]}" </dev/null &
  MPIRUN_PID=$!
}

# Identifies the failure record that is there now, whatever the clocks of hosts and file servers say.
failure_record() { stat -c '%i %Y' -- "${OPTION[save]}/failure.json" 2>/dev/null || true; }

# What runs beside the job in a process of its own ends without leaving anything when it is told to, and
# when the launcher is gone.
PAUSE_PID=
begin_watching() {
  trap - INT HUP EXIT
  trap 'kill "$PAUSE_PID" 2>/dev/null; exit 0' TERM
}
pause() {
  local seconds=$1
  while ((seconds > 0)); do
    sleep 1 &
    PAUSE_PID=$!
    wait "$PAUSE_PID"
    kill -0 "$$" 2>/dev/null || exit 0
    seconds=$((seconds - 1))
  done
}

# mpirun waits for ever for a host whose processes are frozen, even after the ranks have given up. Once
# they have left their record, it is ended from here.
watch_failure_record() {
  local former=$1 record
  begin_watching
  while mpirun_is_alive; do
    pause 1
    record=$(failure_record)
    if [[ -n $record && $record != "$former" ]]; then
      pause "$RECORD_PATIENCE"
      if mpirun_is_alive; then
        : >"$WORK/ended-mpirun"
        end_mpirun
      fi
      return
    fi
  done
}

# hosts_without_ranks: a line for each host on which no rank of this job runs, with what to look for.
hosts_without_ranks() {
  local host answer fault='' waiting=''
  ask_hosts "$WORK/ranks.sh" "${ACTIVE[@]}"
  for host in "${ACTIVE[@]}"; do
    answer=$(cat "$WORK/$host.out" 2>/dev/null) || answer=
    # Here mpirun itself is the daemon.
    if [[ $answer == nothing && -n ${IS_LOCAL[$host]-} ]]; then answer=daemon; fi
    case $answer in
      daemon) waiting+="  $host: Open MPI's daemon runs, but no rank: can it reach $(hostname) on TCP ports ${OPTION[port]} and up (firewall)?"$'\n' ;;
      nothing) fault+="  $host: Open MPI's daemon did not start, or has ended: try there: orted --help; is /tmp full?"$'\n' ;;
    esac
  done
  # The others may only be waiting for those without a daemon.
  printf '%s' "${fault:-$waiting}"
}

# A daemon of Open MPI that cannot start, or cannot connect back, says nothing, and mpirun waits for it
# for ever. So every host is asked once whether ranks run there.
watch_start() {
  local former=$1 job=$WORK fault
  begin_watching
  pause "$START_PATIENCE"
  # The main script's own answers stay where they are.
  WORK=$job/start
  mkdir -p "$WORK"
  ln -sf ../ssh "$WORK/ssh"
  {
    printf 'mark=%q\n' "$JOB_VARIABLE=$JOB_NAME"
    cat -- "$LONGHAUL_ROOT/mpi_launch/lib/host_ranks.sh"
  } >"$WORK/ranks.sh"
  [[ -n $(hosts_without_ranks) ]] || return 0
  # Perhaps the job is just ending.
  pause 4
  fault=$(hosts_without_ranks)
  mpirun_is_alive || return 0
  [[ -n $fault && $(failure_record) == "$former" ]] || return 0
  printf 'error: after %d s not all ranks have started:\n%s\n' "$START_PATIENCE" "$fault" >&2
  : >"$job/ended-mpirun"
  end_mpirun
}

run_job() {
  local watcher start_watcher former record
  former=$(failure_record)
  start_mpirun
  watch_failure_record "$former" &
  watcher=$!
  watch_start "$former" &
  start_watcher=$!
  while true; do
    JOB_STATUS=0
    wait "$MPIRUN_PID" || JOB_STATUS=$?
    # A signal of ours ends the waiting early.
    mpirun_is_alive || break
  done
  MPIRUN_PID=
  # What mpirun says when it is ended is about itself, not about a rank.
  if [[ -e $WORK/ended-mpirun ]]; then
    rm -f -- "$WORK/ended-mpirun"
    JOB_STATUS=1
  fi
  JOB_RECORD=no
  record=$(failure_record)
  if [[ -n $record && $record != "$former" ]]; then JOB_RECORD=yes; fi
  kill "$watcher" "$start_watcher" 2>/dev/null || true
  wait "$watcher" "$start_watcher" 2>/dev/null || true
}

clean_hosts() {
  local host status
  {
    printf 'mark=%q session=%q\n' "$JOB_VARIABLE=$JOB_NAME" "$SESSION_FOLDER"
    cat -- "$LONGHAUL_ROOT/mpi_launch/lib/host_cleanup.sh"
  } >"$WORK/cleanup.sh"
  UNREACHED=()
  ask_hosts "$WORK/cleanup.sh" "$@"
  for host in "$@"; do
    status=$(cat "$WORK/$host.rc" 2>/dev/null) || status=1
    if ((status != 0)); then
      UNREACHED+=("$host")
    elif [[ -s $WORK/$host.out ]]; then
      warn "$host: ended what was left of the job: $(paste -sd , "$WORK/$host.out" | sed 's/,/, /g')"
    fi
  done
}
