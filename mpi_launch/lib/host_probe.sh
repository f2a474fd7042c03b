# shellcheck shell=bash disable=SC2154 # the parameters are assigned in front of this text
# Runs on each host before a job, sent to bash over standard input behind assignments of its
# parameters (see host_checks.sh):
#   longhaul program to start        save      directory for checkpoints
#   ranks    of this host, or 0      files     array of files and folders that must be readable
#   port, ports  first and number of the TCP ports that must be free
#   backend  auto, cpu or cuda       mpi_bin   folder of Open MPI's programs, or empty
# Prints lines "key TAB value"; "fault TAB what TAB remedy" is something that stops the job.
# It changes nothing on the host, and needs bash, coreutils and awk only.

report() { printf '%s\t%s\n' "$1" "$2"; }
fault() { printf 'fault\t%s\t%s\n' "$1" "$2"; }

probe_program() {
  local version
  if [[ ! -e $longhaul ]]; then
    fault "no program $longhaul" "install it there on this host too, or name its place with --longhaul"
  elif [[ ! -f $longhaul || ! -x $longhaul ]]; then
    fault "$longhaul cannot be executed" "chmod +x it, or name another with --longhaul"
  elif ! version=$(timeout 10 "$longhaul" --version 2>&1); then
    fault "$longhaul does not start: $(tail -n 1 <<<"$version")" \
      "install the libraries that it needs (ldd $longhaul lists them)"
  else
    report version "$(head -n 1 <<<"$version")"
  fi
}

probe_open_mpi() {
  local orted=orted mpirun=mpirun version
  if [[ -n $mpi_bin ]]; then
    orted=$mpi_bin/orted
    mpirun=$mpi_bin/mpirun
  fi
  if ! command -v "$orted" >/dev/null; then
    fault "Open MPI's orted is not in PATH" \
      "install Open MPI (Debian: openmpi-bin), or name its folder with --mpi_prefix"
  else
    # orted itself does not tell its version.
    version=$("$mpirun" --version 2>/dev/null | awk 'NR == 1 {print $NF}') || version=
    if [[ -n $version ]]; then report open_mpi "$version"; fi
  fi
}

probe_gpus() {
  local listing
  if [[ $backend == cpu ]] || ! command -v nvidia-smi >/dev/null; then
    report gpus 0
  elif ! listing=$(timeout 20 nvidia-smi --query-gpu=name --format=csv,noheader 2>&1); then
    fault "nvidia-smi fails: $(tail -n 1 <<<"$listing")" \
      "repair the NVIDIA driver, or leave this host out of --ips"
  else
    report gpus "$(grep -c . <<<"$listing")"
    report gpu_names "$(sort -u <<<"$listing" | paste -sd , -)"
  fi
}

# Listening sockets in the port range, with the program that holds them where that can be seen.
probe_ports() {
  local taken
  taken=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v first="$port" -v count="$ports" '
    function number(hex,    value, i) {
      value = 0
      for (i = 1; i <= length(hex); i++) value = value * 16 + index("0123456789ABCDEF", substr(hex, i, 1)) - 1
      return value
    }
    $4 == "0A" {
      n = split($2, part, ":")
      at = number(part[n])
      if (at >= first && at < first + count) print at
    }' | sort -nu | head -n 3 | paste -sd ' ' -)
  if [[ -n $taken ]]; then
    fault "port ${taken// /, } is in use (the job needs $port to $((port + ports - 1)))" \
      "end what listens there (ss -ltnp shows it), or give another --port"
  fi
}

# free_kib FOLDER
free_kib() { df -Pk -- "$1" 2>/dev/null | awk 'NR == 2 {print $4}'; }

# Ranks of one host talk through files there; without room Open MPI ends with SIGBUS, NCCL with an error.
probe_shared_memory() {
  local free needed count=$ranks
  ((count > 0)) || count=1
  needed=$(((backend_uses_gpus ? 16 : 8) * 1024 * count))
  if [[ ! -d /dev/shm || ! -w /dev/shm ]]; then
    fault "/dev/shm is missing or not writable" "mount a tmpfs there with mode 1777"
    return
  fi
  free=$(free_kib /dev/shm)
  if [[ -n $free ]] && ((free < needed)); then
    fault "/dev/shm is full: $((free / 1024)) MiB free, $((needed / 1024)) MiB needed" \
      "remove stale files from it or mount it larger (in a container: --shm-size)"
  fi
  free=$(free_kib "${TMPDIR:-/tmp}")
  if [[ -n $free ]] && ((free < 10240)); then
    fault "${TMPDIR:-/tmp} is full: $free KiB free, 10 MiB needed by Open MPI" "free some space there"
  fi
}

probe_files() {
  local file
  for file in "${files[@]}"; do
    if [[ ! -e $file ]]; then
      fault "no such file or folder: $file" "it must be there on every host: use a shared file system or copy it"
    elif [[ ! -r $file ]]; then
      fault "$file is not readable by $(id -un)" "change its permissions"
    fi
  done
}

probe_save() {
  local folder=$save free
  while [[ ! -e $folder ]]; do folder=$(dirname -- "$folder"); done
  if [[ ! -d $folder ]]; then
    fault "--save $save: $folder is no folder" "give another --save"
  elif [[ ! -w $folder ]]; then
    fault "--save $save: $(id -un) may not write to $folder" "change its permissions, or give another --save"
  else
    free=$(free_kib "$folder")
    if [[ -n $free ]] && ((free < 1024)); then
      fault "--save $save: the file system of $folder is full" "free some space, or give another --save"
    fi
  fi
  if [[ -f $save/latest ]]; then report latest "$(head -n 1 -- "$save/latest")"; fi
}

# Addresses with prefix length, so that the launcher can find the network that all hosts share.
probe_network() {
  local ip
  ip=$(PATH=$PATH:/usr/sbin:/sbin command -v ip) || return 0
  "$ip" -o -4 address show 2>/dev/null | awk '{print "interface\t" $2 " " $4}'
}

backend_uses_gpus=0
if [[ $backend != cpu ]] && command -v nvidia-smi >/dev/null; then backend_uses_gpus=1; fi
report host "$(hostname)"
probe_program
probe_open_mpi
probe_gpus
probe_ports
probe_shared_memory
probe_files
probe_save
probe_network
report "done" yes
