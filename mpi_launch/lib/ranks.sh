# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # files of this folder share variables
# How many ranks each host gets, whether the layout allows that, and which network they use.

# Ranks that share one GPU, if the user asked for it.
ranks_per_gpu() {
  local index
  for index in "${!EXTRA[@]}"; do
    case ${EXTRA[index]} in
      --ranks_per_gpu=* | --ranks-per-gpu=*) printf '%s' "${EXTRA[index]#*=}" && return ;;
      --ranks_per_gpu | --ranks-per-gpu) printf '%s' "${EXTRA[index + 1]-1}" && return ;;
    esac
  done
  printf 1
}

# choose_ranks HOST...: sets OPTION[nproc_per_node] from the GPUs that were found, unless it is given,
# and reports hosts that have other numbers of GPUs.
choose_ranks() {
  local host gpus usual sharing
  sharing=$(ranks_per_gpu)
  [[ $sharing =~ ^[1-9][0-9]{0,3}$ ]] || fail 2 "--ranks_per_gpu $sharing: give a whole number from 1"
  usual=$(most_common gpus "$@")
  if [[ -n ${GIVEN[nproc_per_node]-} ]]; then
    check_given_ranks "$sharing" "$@"
    return
  fi
  for host in "$@"; do
    gpus=${FOUND["$host gpus"]-}
    if [[ -n $gpus && $gpus != "$usual" ]]; then
      add_fault "$host" "has $gpus GPUs, but the other hosts have $usual" \
        "repair it, leave it out of --ips, or give --nproc_per_node N, the ranks that every host can hold"
    fi
  done
  if [[ -z $usual || $usual == 0 ]]; then
    if [[ ${OPTION[backend]} == cuda ]]; then
      for host in "$@"; do
        add_fault "$host" "--backend cuda, but nvidia-smi finds no GPU" "install the NVIDIA driver, or use --backend cpu"
      done
    fi
    OPTION[nproc_per_node]=1
    NOTES+=("one rank a host, on the CPU (--nproc_per_node sets the number)")
  else
    OPTION[nproc_per_node]=$((usual * sharing))
  fi
}

check_given_ranks() {
  local sharing=$1 ranks=${OPTION[nproc_per_node]} host gpus any=no
  shift
  [[ ${OPTION[backend]} != cpu ]] || return 0
  for host in "$@"; do
    if ((${FOUND["$host gpus"]-0} > 0)); then any=yes; fi
  done
  # Without any GPU --backend auto computes on the CPU.
  [[ $any == yes || ${OPTION[backend]} == cuda ]] || return 0
  for host in "$@"; do
    gpus=${FOUND["$host gpus"]-}
    if [[ -n $gpus ]] && ((gpus * sharing < ranks)); then
      add_fault "$host" "has $gpus GPUs for --nproc_per_node $ranks" \
        "repair it, leave it out of --ips, or lower --nproc_per_node"
    fi
  done
}

# Size of one model replica: TP x CP, or 1 where the program chooses.
replica_size() {
  printf '%d' $((${OPTION[tensor_model_parallel_size]-1} * ${OPTION[context_parallel_size]-1}))
}

# check_layout HOSTS: a layout that was asked for must divide the ranks. A size that is only a script's
# default is dropped when it does not: the program then chooses, and says what.
check_layout() {
  local hosts=$1 world name asked_for=1 dropped=()
  world=$((hosts * OPTION[nproc_per_node]))
  ((world % $(replica_size) != 0)) || return 0
  for name in tensor_model_parallel_size context_parallel_size; do
    if [[ -n ${GIVEN[$name]-} ]]; then
      asked_for=$((asked_for * ${OPTION[$name]}))
    elif [[ -n ${OPTION[$name]-} ]]; then
      dropped+=("$name ${OPTION[$name]}")
      unset "OPTION[$name]"
    fi
  done
  if ((world % asked_for != 0)); then
    fail 2 "TP ${OPTION[tensor_model_parallel_size]-1} x CP ${OPTION[context_parallel_size]-1} =" \
      "$asked_for ranks a model replica, but $hosts hosts x ${OPTION[nproc_per_node]} ranks = $world is" \
      "no multiple of it: change --tensor_model_parallel_size, --context_parallel_size or the hosts"
  fi
  NOTES+=("$world ranks do not allow the default layout (${dropped[*]}): longhaul chooses one and says which")
}

# usable_hosts COUNT: the largest number of hosts, at most COUNT, that the layout allows; 0 if none.
usable_hosts() {
  local count=$1 replica
  replica=$(replica_size)
  while ((count > 0 && count * OPTION[nproc_per_node] % replica != 0)); do count=$((count - 1)); done
  printf '%d' "$count"
}

# network_of ADDRESS PREFIX -> "10.0.8.0/24"
network_of() {
  local a b c d value mask
  IFS=. read -r a b c d <<<"$1"
  mask=$(((0xffffffff << (32 - $2)) & 0xffffffff))
  value=$((((a << 24) + (b << 16) + (c << 8) + d) & mask))
  printf '%d.%d.%d.%d/%d' $((value >> 24)) $((value >> 16 & 255)) $((value >> 8 & 255)) $((value & 255)) "$2"
}

# find_network HOST...: sets NETWORK to the subnet in which all hosts have the address that they were
# given by, and INTERFACES to their interfaces there; both empty when there is no such subnet.
find_network() {
  local host entry name address network names=()
  NETWORK=
  INTERFACES=
  for host in "$@"; do
    network=
    while IFS= read -r -d ';' entry; do
      name=${entry%% *}
      address=${entry##* }
      [[ ${address%/*} == "${ADDRESS[$host]}" && $address == */* ]] || continue
      network=$(network_of "${address%/*}" "${address#*/}")
      is_one_of "$name" ${names[@]+"${names[@]}"} || names+=("$name")
    done <<<"${FOUND["$host interfaces"]-}"
    if [[ -z $network || -n $NETWORK && $NETWORK != "$network" ]]; then
      NETWORK=
      return 0
    fi
    NETWORK=$network
  done
  INTERFACES=$(IFS=,; printf '%s' "${names[*]}")
}
