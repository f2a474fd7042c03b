# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # files of this folder share variables
# The hosts of a job: their names as the user gave them, their addresses, and Open MPI's hostfile.
#   HOSTS[i]        name or address
#   ADDRESS[name]   IPv4 address
#   IS_LOCAL[name]  present for the machine that this script runs on

declare -a HOSTS=()
declare -A ADDRESS=() IS_LOCAL=()

# Reads --ips or --ip_file into HOSTS. In a file: one host a line or several, # starts a comment.
read_hosts() {
  local text entry
  if [[ -n ${OPTION[ips]-} && -n ${OPTION[ip_file]-} ]]; then
    fail 2 "--ips and --ip_file: give one of them"
  elif [[ -n ${OPTION[ips]-} ]]; then
    text=${OPTION[ips]}
  elif [[ -n ${OPTION[ip_file]-} ]]; then
    [[ -f ${OPTION[ip_file]} && -r ${OPTION[ip_file]} ]] ||
      fail 2 "--ip_file ${OPTION[ip_file]}: no readable file"
    text=$(sed 's/#.*//' -- "${OPTION[ip_file]}")
  else
    fail 2 "--ips is missing: give the hosts' addresses, as in --ips 10.0.8.7,10.0.8.8 (or --ip_file)"
  fi
  read -ra HOSTS <<<"$(tr ',;\r\n\t' '     ' <<<"$text")"
  ((${#HOSTS[@]} > 0)) || fail 2 "--ips or --ip_file names no host"
  for entry in "${HOSTS[@]}"; do
    # Also keeps ssh from taking a name for an option.
    [[ $entry =~ ^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$ ]] ||
      fail 2 "host '$entry': give an IPv4 address or a host name"
  done
}

own_addresses() {
  hostname -I 2>/dev/null || ip -o -4 address show 2>/dev/null | awk '{sub("/.*", "", $4); print $4}'
}

# Fills ADDRESS and IS_LOCAL. Hosts that cannot be used are reported through add_fault.
resolve_hosts() {
  local host address own other
  declare -A seen=()
  own=" $(own_addresses | tr '\n' ' ') "
  for host in "${HOSTS[@]}"; do
    address=$(getent ahostsv4 "$host" | awk 'NR == 1 {print $1}') || address=
    if [[ -z $address ]]; then
      add_fault "$host" "the name cannot be resolved" \
        "check the spelling in --ips, add it to /etc/hosts or DNS, or give its address"
      continue
    fi
    other=${seen[$address]-}
    if [[ -n $other ]]; then
      if [[ $other == "$host" ]]; then
        add_fault "$host" "listed twice" "remove one of the two from --ips"
      else
        add_fault "$host" "the same machine as $other (both $address)" "remove one of the two from --ips"
      fi
      continue
    fi
    seen[$address]=$host
    if [[ $address == 127.* ]] && ((${#HOSTS[@]} > 1)); then
      add_fault "$host" "stands for $address here, which the other hosts cannot reach" \
        "give the machine's network address in --ips"
      continue
    fi
    ADDRESS[$host]=$address
    if [[ $address == 127.* || $own == *" $address "* ]]; then IS_LOCAL[$host]=yes; fi
  done
}

# hostfile_text RANKS_PER_HOST HOST...
hostfile_text() {
  local slots=$1 host
  shift
  for host in "$@"; do printf '%s slots=%d\n' "$host" "$slots"; done
}

# No host is waited for longer than this, in seconds.
readonly PROBE_TIMEOUT=30

# ask_host HOST SCRIPT: runs a script of the job's folder there; leaves .out, .err and .rc.
ask_host() {
  local host=$1 script=$2 status=0
  if [[ -n ${IS_LOCAL[$host]-} ]]; then
    timeout "$PROBE_TIMEOUT" bash -s <"$script" >"$WORK/$host.out" 2>"$WORK/$host.err" || status=$?
  else
    LC_ALL=C timeout "$PROBE_TIMEOUT" "$WORK/ssh" "$host" bash -s \
      <"$script" >"$WORK/$host.out" 2>"$WORK/$host.err" || status=$?
  fi
  printf '%d\n' "$status" >"$WORK/$host.rc"
}

# ask_hosts SCRIPT HOST...: all at once.
ask_hosts() {
  local script=$1 host pids=()
  shift
  for host in "$@"; do
    ask_host "$host" "$script" &
    pids+=($!)
  done
  for host in ${pids[@]+"${pids[@]}"}; do wait "$host" || true; done
}
