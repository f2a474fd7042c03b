# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # files of this folder share variables
# Runs the job, and again after failures: from the newest complete checkpoint, on the hosts that are left.

# Statuses after which the same command would fail again, or that the user asked for.
is_final_status() { [[ $1 == 0 || $1 == 2 || $1 == 75 ]]; }

# The hosts that the next attempt uses, from those that passed the checks in HEALTHY.
choose_elastic_hosts() {
  local count
  count=$(usable_hosts "${#HEALTHY[@]}")
  ((count > 0)) || return 1
  ACTIVE=("${HEALTHY[@]:0:count}")
}

# check_again HOST...: HEALTHY becomes those without a fault.
check_again() {
  local host row
  FAULTS=()
  HEALTHY=()
  check_hosts "$@"
  compare_programs "$@"
  check_given_ranks "$(ranks_per_gpu)" "$@"
  declare -A ill=()
  for row in ${FAULTS[@]+"${FAULTS[@]}"}; do ill[${row%%$'\t'*}]=yes; done
  for host in "$@"; do
    if [[ -z ${ill[$host]-} ]]; then HEALTHY+=("$host"); fi
  done
}

# Waits until the hosts can be used again, or leaves some out with --elastic. False: they cannot.
regain_hosts() {
  local deadline=$((SECONDS + OPTION[restart_wait])) told=no
  while true; do
    check_again "${HOSTS[@]}"
    if ((${#FAULTS[@]} == 0)); then
      ACTIVE=("${HOSTS[@]}")
      return 0
    fi
    if [[ ${OPTION[elastic]-} == true ]] && choose_elastic_hosts; then
      print_faults
      say "Going on with ${#ACTIVE[@]} of ${#HOSTS[@]} hosts: ${ACTIVE[*]}"
      return 0
    fi
    if ((SECONDS >= deadline)); then
      printf 'error: these hosts cannot be used:\n' >&2
      print_faults
      if [[ ${OPTION[elastic]-} == true ]]; then
        say "The ${#HEALTHY[@]} that are left are too few for TP ${OPTION[tensor_model_parallel_size]-1} x CP ${OPTION[context_parallel_size]-1}." >&2
      fi
      return 1
    fi
    if [[ $told == no ]]; then
      say "Waiting for hosts, at most ${OPTION[restart_wait]} s:"
      print_faults
      told=yes
    fi
    sleep 2
  done
}

# The newest checkpoint's name as a host sees it; empty without one.
newest_checkpoint() { printf '%s' "${FOUND["${ACTIVE[0]} latest"]-}"; }

# Ends with the status of the last attempt.
run_with_restarts() {
  local restarts=0 hostfile=${OPTION[launch_dir]}/hostfile newest
  ACTIVE=("${HOSTS[@]}")
  while true; do
    hostfile_text "${OPTION[nproc_per_node]}" "${ACTIVE[@]}" >"$hostfile"
    build_command "$hostfile" "${#ACTIVE[@]}"
    run_job
    clean_hosts "${ACTIVE[@]}"
    ((JOB_STATUS != 0)) || exit 0
    if ((SIGNAL_COUNT > 1)); then exit "$SIGNAL_STATUS"; fi
    if ((JOB_STATUS == 75)); then
      say "Stopped on request; the same command continues from the checkpoint."
      exit 75
    fi
    report_failure "$JOB_STATUS"
    if is_final_status "$JOB_STATUS" || ((SIGNAL_COUNT > 0 || restarts >= OPTION[max_restarts])); then
      exit "$JOB_STATUS"
    fi
    restarts=$((restarts + 1))
    regain_hosts || exit "$JOB_STATUS"
    newest=$(newest_checkpoint)
    if [[ -n $newest ]]; then RESUME=auto; fi
    say "Restart $restarts of ${OPTION[max_restarts]}: from ${newest:-the beginning, as there is no checkpoint yet}"
  done
}
