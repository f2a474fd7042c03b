# shellcheck shell=bash
# Puts the whole command together: mpirun with its settings, and longhaul train with its flags.
# docs/launching.md has a line of reason for every setting.
#   COMMAND   what build_command made

declare -a COMMAND=()

# Variables of the user that the ranks on every host get.
readonly FORWARDED_PREFIXES='^(NCCL_|LONGHAUL_|OMP_|OPENBLAS_|UCX_|HDF5_|ASAN_|UBSAN_)'
readonly FORWARDED_NAMES='^(LD_LIBRARY_PATH|NO_COLOR|XDG_CACHE_HOME|CUDA_VISIBLE_DEVICES|CUDA_MPS_PIPE_DIRECTORY)$'

# The checkpoint or Hugging Face directory that the weights come from.
weights_path() { printf '%s' "${OPTION[load]-${OPTION[model]-}}"; }

mpirun_program() {
  if [[ -n ${OPTION[mpi_prefix]-} ]]; then
    printf '%s/bin/mpirun' "${OPTION[mpi_prefix]}"
  else
    command -v mpirun || printf mpirun
  fi
}

# How Open MPI starts its daemons and notices that one is gone.
add_daemon_settings() {
  local ports
  ports=$(port_count)
  COMMAND+=(
    # Not Slurm's or another scheduler's own start, even inside one of its jobs: the hosts are given.
    --mca plm rsh --mca ras "^slurm,tm,lsf,gridengine,loadleveler"
    # Found through PATH, where mpirun finds our wrapper first; the daemons look for it, too, but not for
    # a path that only this machine has.
    --mca plm_rsh_agent ssh --mca plm_rsh_no_tree_spawn 1 --mca routed direct
    --mca orte_abort_on_non_zero_status 1 --mca orte_tmpdir_base "$SESSION_FOLDER"
    --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3
    # Where Open MPI knows IPv6, it listens there, too, and does not let itself be told otherwise.
    --mca oob_tcp_dynamic_ipv4_ports "${OPTION[port]}-$((OPTION[port] + 1))"
    --mca oob_tcp_dynamic_ipv6_ports "$((OPTION[port] + 2))-$((OPTION[port] + 3))"
    --mca btl_tcp_port_min_v4 "$((OPTION[port] + DAEMON_PORTS))"
    --mca btl_tcp_port_range_v4 "$((ports - DAEMON_PORTS))"
    --mca btl_tcp_port_min_v6 "$((OPTION[port] + DAEMON_PORTS))"
    --mca btl_tcp_port_range_v6 "$((ports - DAEMON_PORTS))"
    --mca mpi_yield_when_idle 1
  )
}

add_network_settings() {
  [[ -n $NETWORK ]] || return 0
  local name
  for name in btl_tcp_if_include oob_tcp_if_include; do
    local variable=OMPI_MCA_$name excluding=OMPI_MCA_${name/include/exclude}
    # What the user has set stays; Open MPI refuses the two together.
    if [[ -z ${!variable-}${!excluding-} ]]; then COMMAND+=(--mca "$name" "$NETWORK"); fi
  done
  if ((${FOUND["${HOSTS[0]} gpus"]-0} > 0)) && [[ -z ${NCCL_SOCKET_IFNAME-} ]]; then
    COMMAND+=(-x "NCCL_SOCKET_IFNAME==$INTERFACES")
  fi
}

add_forwarded_variables() {
  local name
  while IFS= read -r name; do
    [[ $name != "$PASSWORD_VARIABLE" && $name != "$PASSWORD_FD_VARIABLE" ]] || continue
    [[ $name != "$JOB_VARIABLE" ]] || continue
    if [[ $name =~ $FORWARDED_PREFIXES || $name =~ $FORWARDED_NAMES ]]; then COMMAND+=(-x "$name"); fi
  done < <(compgen -e)
}

# The flags after `longhaul train`. RESUME, when it is set, stands for the user's own --resume.
add_train_flags() {
  local name skip=no word
  COMMAND+=(--model "$(weights_path)" --dataset "${DATASETS[@]}")
  for name in "${TRAIN_FLAGS[@]}"; do
    [[ $name != model && -n ${OPTION[$name]-} ]] || continue
    COMMAND+=("--$name" "${OPTION[$name]}")
  done
  if [[ ${OPTION[preflight_only]-} == true ]]; then COMMAND+=(--preflight_only true); fi
  for word in ${EXTRA[@]+"${EXTRA[@]}"}; do
    if [[ $skip == yes ]]; then
      skip=no
      continue
    fi
    if [[ -n $RESUME ]]; then
      case $word in
        --resume=*) continue ;;
        --resume)
          skip=yes
          continue
          ;;
      esac
    fi
    COMMAND+=("$word")
  done
  if [[ -n $RESUME ]]; then COMMAND+=(--resume "$RESUME"); fi
}

# build_command HOSTFILE HOSTS
build_command() {
  local hostfile=$1 hosts=$2
  COMMAND=("$(mpirun_program)")
  if [[ -n ${OPTION[mpi_prefix]-} ]]; then COMMAND+=(--prefix "${OPTION[mpi_prefix]}"); fi
  if ((EUID == 0)); then COMMAND+=(--allow-run-as-root); fi
  COMMAND+=(--hostfile "$hostfile" -n "$((hosts * OPTION[nproc_per_node]))" --map-by slot --bind-to none)
  add_daemon_settings
  add_network_settings
  add_forwarded_variables
  COMMAND+=("${OPTION[longhaul]}" train)
  add_train_flags
}

# Prints COMMAND so that a shell can read it, one setting a line.
print_command() {
  local word text='' quoted
  for word in "${COMMAND[@]}"; do
    printf -v quoted '%q' "$word"
    if [[ $word == -* && -n $text ]]; then
      printf '%s \\\n' "$text"
      text="    $quoted"
    elif [[ $word == "${OPTION[longhaul]}" ]]; then
      printf '%s \\\n' "$text"
      text="  $quoted"
    else
      text+="${text:+ }$quoted"
    fi
  done
  printf '%s\n' "$text"
}
