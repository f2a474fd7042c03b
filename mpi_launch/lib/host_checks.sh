# shellcheck shell=bash
# The checks before a job: every host is asked at the same time, and all that is wrong is told in one
# table. After check_hosts:
#   FOUND["HOST KEY"]   what host_probe.sh reported, such as FOUND["10.0.8.7 gpus"]
#   UNREACHED           hosts that ssh could not get into

declare -A FOUND=()
declare -a FAULTS=() UNREACHED=()

# Ports from --port on: the first for Open MPI's daemons (two for IPv4, two for IPv6), the others for
# its ranks.
readonly DAEMON_PORTS=4

# Two and more for each rank, since one may be in use for a moment.
port_count() {
  local ranks=${OPTION[nproc_per_node]-0}
  printf '%d' $((DAEMON_PORTS + (ranks > 30 ? 2 * ranks : 60)))
}

add_fault() { FAULTS+=("$1"$'\t'"$2"$'\t'"$3"); }

# The table of faults, on stderr; columns as wide as they need.
print_faults() {
  local host what remedy width=4 what_width=4 row
  for row in "${FAULTS[@]}"; do
    IFS=$'\t' read -r host what remedy <<<"$row"
    ((${#host} <= width)) || width=${#host}
    ((${#what} <= what_width)) || what_width=${#what}
  done
  printf '  %-*s  %-*s  %s\n' "$width" host "$what_width" what "what to do" >&2
  for row in "${FAULTS[@]}"; do
    IFS=$'\t' read -r host what remedy <<<"$row"
    printf '  %-*s  %-*s  %s\n' "$width" "$host" "$what_width" "$what" "$remedy" >&2
  done
}

stop_at_faults() {
  ((${#FAULTS[@]} > 0)) || return 0
  printf 'error: the job cannot start:\n' >&2
  print_faults
  exit 2
}

# The probe with its parameters in front.
probe_text() {
  local longhaul=${OPTION[longhaul]} save=${OPTION[save]} port=${OPTION[port]} backend=${OPTION[backend]}
  local ranks=${OPTION[nproc_per_node]-0} ports mpi_bin=${OPTION[mpi_prefix]:+${OPTION[mpi_prefix]}/bin}
  local files=() dataset
  ports=$(port_count)
  for dataset in "${DATASETS[@]}"; do files+=("$(without_row_count "$dataset")"); done
  files+=("$(weights_path)")
  if [[ -n ${OPTION[val_dataset]-} ]]; then files+=("${OPTION[val_dataset]}"); fi
  declare -p longhaul save port backend ranks ports mpi_bin files | sed 's/^declare -[^ ]* //'
  cat -- "$LONGHAUL_ROOT/mpi_launch/lib/host_probe.sh"
}

# FILE#N takes N rows of FILE.
without_row_count() {
  if [[ $1 =~ ^(.*)#[0-9]+$ && ! -e $1 ]]; then printf '%s' "${BASH_REMATCH[1]}"; else printf '%s' "$1"; fi
}

# explain_ssh HOST FILE: turns what ssh said into a fault.
explain_ssh() {
  local host=$1 file=$2 text known=${OPTION[launch_dir]}/known_hosts place
  text=$(cat -- "$file")
  case $text in
    *"IDENTIFICATION HAS CHANGED"*)
      place=$(sed -n 's/^Offending .* key in \(.*\):[0-9]*\r\{0,1\}$/\1/p' <<<"$text" | head -n 1)
      add_fault "$host" "its ssh host key has changed since it was first seen" \
        "if the host was reinstalled: ssh-keygen -R '$(known_name "$host")' -f '${place:-$known}'; else someone may be in between"
      ;;
    *"Host key verification failed"* | *"host key is known for"*)
      add_fault "$host" "its ssh host key is unknown" \
        "ssh to it once by hand and compare the key, or use --host_keys accept-new"
      ;;
    *"Permission denied"* | *"Too many authentication failures"*)
      if [[ -n $PASSWORD_SOURCE ]]; then
        add_fault "$host" "ssh refuses user ${OPTION[user]} with this password" \
          "check the password and --user; it must be the same on every host"
      else
        add_fault "$host" "ssh refuses user ${OPTION[user]} without a password" \
          "install a key (ssh-copy-id ${OPTION[user]}@$host), start the agent, or give --ssh_password_file"
      fi
      ;;
    *"Connection refused"*)
      add_fault "$host" "nothing listens on ssh port ${OPTION[ssh_port]}" "start sshd there, or give --ssh_port"
      ;;
    *"timed out"* | *"No route to host"* | *"is unreachable"*)
      add_fault "$host" "does not answer (${ADDRESS[$host]})" \
        "check that it is up and the address is right, or leave it out of --ips"
      ;;
    *)
      text=$(grep -v '^$' <<<"$text" | tail -n 1) || true
      add_fault "$host" "ssh fails: ${text:-no message}" "try by hand: ssh -p ${OPTION[ssh_port]} ${OPTION[user]}@$host true"
      ;;
  esac
}

# The host's name in a known_hosts file.
known_name() {
  if ((OPTION[ssh_port] == 22)); then printf '%s' "$1"; else printf '[%s]:%s' "$1" "${OPTION[ssh_port]}"; fi
}

# Reads what ask_host left.
read_probe() {
  local host=$1 status key value more
  status=$(cat "$WORK/$host.rc" 2>/dev/null) || status=1
  # The probe's own exit status does not matter once it has said all.
  if grep -q $'^done\t' "$WORK/$host.out"; then
    while IFS=$'\t' read -r key value more; do
      case $key in
        fault) add_fault "$host" "$value" "$more" ;;
        interface) FOUND["$host interfaces"]+="$value;" ;;
        *) FOUND["$host $key"]=$value ;;
      esac
    done <"$WORK/$host.out"
    return
  fi
  if ((status == 255)); then
    UNREACHED+=("$host")
    explain_ssh "$host" "$WORK/$host.err"
  elif ((status == 124)); then
    UNREACHED+=("$host")
    add_fault "$host" "answers ssh, but did not finish the checks in $PROBE_TIMEOUT s" \
      "look there for a hanging file system or driver (ls ${OPTION[save]}; nvidia-smi), or leave it out of --ips"
  else
    add_fault "$host" "the checks could not run: $(tail -n 1 "$WORK/$host.err")" "bash and coreutils must be there"
  fi
}

# check_hosts HOST...: asks all at once and collects what is wrong.
check_hosts() {
  local host
  FOUND=()
  UNREACHED=()
  probe_text >"$WORK/probe.sh"
  ask_hosts "$WORK/probe.sh" "$@"
  for host in "$@"; do read_probe "$host"; done
}

# most_common KEY HOST...: the value that most hosts have; of equally common ones the first seen.
most_common() {
  local key=$1 host value best=''
  declare -A count=()
  shift
  for host in "$@"; do
    value=${FOUND["$host $key"]-}
    [[ -n $value ]] || continue
    count["=$value"]=$((${count["=$value"]-0} + 1))
  done
  for host in "$@"; do
    value=${FOUND["$host $key"]-}
    [[ -n $value ]] || continue
    if [[ -z $best ]] || ((count["=$value"] > count["=$best"])); then best=$value; fi
  done
  printf '%s' "$best"
}

# compare_hosts KEY WHAT REMEDY HOST...: hosts whose KEY differs from the others'.
compare_hosts() {
  local key=$1 what=$2 remedy=$3 host usual value
  shift 3
  usual=$(most_common "$key" "$@")
  for host in "$@"; do
    value=${FOUND["$host $key"]-}
    if [[ -n $value && $value != "$usual" ]]; then
      add_fault "$host" "$value, but the other hosts have $usual$what" "$remedy"
    fi
  done
}

compare_programs() {
  compare_hosts version "" "install the same build of Longhaul on every host" "$@"
  compare_hosts open_mpi " of Open MPI" "install the same Open MPI on every host" "$@"
}
