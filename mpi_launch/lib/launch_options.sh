# shellcheck shell=bash
# The flags of the launchers. After parse_options the arrays below hold them; other files only read.
#   OPTION[name]   value of a flag, given or default
#   GIVEN[name]    present when the flag was given on the command line
#   DATASETS       the files of --dataset
#   EXTRA          what followed "--": flags of `longhaul train` that are passed on as they are

declare -A OPTION=() GIVEN=()
declare -a DATASETS=() EXTRA=()

# Flags of ours that take a value, and those that take none.
readonly LAUNCH_FLAGS=(ips ip_file user ssh_password ssh_password_file ssh_port host_keys
  nproc_per_node longhaul mpi_prefix launch_dir max_restarts restart_wait load dataset)
readonly LAUNCH_SWITCHES=(dry_run elastic preflight_only)
# Flags that `longhaul train` has under the same name.
readonly TRAIN_FLAGS=(model save val_dataset backend micro_bs global_bs tensor_model_parallel_size
  context_parallel_size pipeline_model_parallel_size recompute_granularity max_length epochs
  save_interval save_total_limit lr min_lr lr_warmup_fraction packing loss_scale template_mode
  split_dataset_ratio comm_timeout port)

# Defaults of every launcher; a script for one model overrides some before it calls launch_main.
set_common_defaults() {
  OPTION=(
    [user]=$(id -un) [ssh_port]=22 [host_keys]=accept-new [port]=29900
    [max_restarts]=0 [restart_wait]=300 [backend]=auto
    [max_length]=64000 [epochs]=1 [save_interval]=50 [pipeline_model_parallel_size]=1
    [lr]=1e-5 [min_lr]=1e-6 [lr_warmup_fraction]=0.05 [packing]=true
    [loss_scale]=ignore_empty_think [template_mode]=hf [split_dataset_ratio]=0.01
    [recompute_granularity]=auto
  )
}

is_one_of() {
  local wanted=$1 name
  shift
  for name in "$@"; do
    [[ $name != "$wanted" ]] || return 0
  done
  return 1
}

# The known flag that shares the most letters from the start with an unknown one, for "did you mean".
nearest_flag() {
  local unknown=$1 name best='' length best_length=2
  for name in "${LAUNCH_FLAGS[@]}" "${LAUNCH_SWITCHES[@]}" "${TRAIN_FLAGS[@]}"; do
    length=0
    while ((length < ${#name} && length < ${#unknown})) &&
      [[ ${name:length:1} == "${unknown:length:1}" ]]; do
      length=$((length + 1))
    done
    if ((length > best_length)); then
      best=$name
      best_length=$length
    fi
  done
  printf '%s' "$best"
}

unknown_flag() {
  local near
  near=$(nearest_flag "$1")
  fail 2 "unknown flag --$1${near:+; did you mean --$near?}; --help lists the flags, and those of" \
    "'longhaul train' that are not among them go after --"
}

# parse_options ARGUMENT...: names may be written with - for _, values after a space or =.
parse_options() {
  local argument name value
  while (($# > 0)); do
    argument=$1
    shift
    case $argument in
      --)
        EXTRA=("$@")
        break
        ;;
      -h | --help) name=help ;;
      --*)
        name=${argument#--}
        name=${name%%=*}
        name=${name//-/_}
        ;;
      *) fail 2 "unexpected argument '$argument'; --help shows how to call this script" ;;
    esac
    if is_one_of "$name" help "${LAUNCH_SWITCHES[@]}"; then
      value=true
      if [[ $argument == *=* ]]; then
        value=${argument#*=}
      elif [[ ${1-} == true || ${1-} == false ]]; then
        value=$1
        shift
      fi
      [[ $value == true || $value == false ]] || fail 2 "--$name $value: give true or false"
    elif ! is_one_of "$name" "${LAUNCH_FLAGS[@]}" "${TRAIN_FLAGS[@]}"; then
      unknown_flag "$name"
    elif [[ $argument == *=* ]]; then
      value=${argument#*=}
    else
      if (($# == 0)) || [[ $1 == --* ]]; then fail 2 "--$name needs a value; --help shows how"; fi
      value=$1
      shift
    fi
    [[ -n $value ]] || fail 2 "--$name: the value is empty"
    if [[ -n ${GIVEN[$name]-} ]]; then
      fail 2 "--$name is given more than once; keep one of them"
    fi
    OPTION[$name]=$value
    GIVEN[$name]=yes
    if [[ $name == dataset ]]; then
      DATASETS=("$value")
      while (($# > 0)) && [[ $1 != --* ]]; do
        DATASETS+=("$1")
        shift
      done
    fi
  done
}

check_whole_number() {
  local name=$1 least=$2 most=${3-2147483647} value=${OPTION[$1]-}
  [[ -n $value ]] || return 0
  if [[ ! $value =~ ^[0-9]{1,10}$ ]] || ((10#$value < least || 10#$value > most)); then
    fail 2 "--$name $value: give a whole number from $least to $most"
  fi
  OPTION[$name]=$((10#$value))
}

# An absolute path means the same on every host; a relative one is taken from here.
make_absolute() {
  local path=$1
  [[ $path == /* ]] || path=$PWD/$path
  printf '%s' "$path"
}

check_options() {
  local name
  for name in ssh_port port; do check_whole_number "$name" 1 65535; done
  for name in micro_bs global_bs tensor_model_parallel_size context_parallel_size \
    pipeline_model_parallel_size nproc_per_node max_length save_interval; do
    check_whole_number "$name" 1
  done
  for name in max_restarts restart_wait; do check_whole_number "$name" 0; done
  case ${OPTION[host_keys]} in
    accept-new | known) ;;
    *) fail 2 "--host_keys ${OPTION[host_keys]}: choose accept-new or known" ;;
  esac
  case ${OPTION[backend]} in
    auto | cpu | cuda) ;;
    *) fail 2 "--backend ${OPTION[backend]}: choose auto, cpu or cuda" ;;
  esac
  ((${#DATASETS[@]} > 0)) || fail 2 "--dataset is missing: give a file of conversations, JSON lines"
  [[ -n ${OPTION[save]-} ]] ||
    fail 2 "--save is missing: give a directory that all hosts share, for checkpoints and logs"
  [[ -n ${OPTION[model]-}${OPTION[load]-} ]] ||
    fail 2 "--model is missing: give a Hugging Face model directory (or --load CHECKPOINT)"
  if [[ -n ${OPTION[ssh_password]-} && -n ${OPTION[ssh_password_file]-} ]]; then
    fail 2 "--ssh_password and --ssh_password_file: give one of them, preferably the latter"
  fi
  OPTION[save]=$(make_absolute "${OPTION[save]}")
  OPTION[launch_dir]=$(make_absolute "${OPTION[launch_dir]-${OPTION[save]}/launch}")
  for name in model load val_dataset; do
    if [[ -n ${OPTION[$name]-} ]]; then OPTION[$name]=$(make_absolute "${OPTION[$name]}"); fi
  done
  local index
  for index in "${!DATASETS[@]}"; do DATASETS[index]=$(make_absolute "${DATASETS[index]}"); done
  local given
  for given in ${EXTRA[@]+"${EXTRA[@]}"}; do
    [[ $given == --* ]] || continue
    name=${given#--}
    name=${name%%=*}
    name=${name//-/_}
    if is_one_of "$name" dataset "${TRAIN_FLAGS[@]}"; then
      fail 2 "--$name after --: this script has it itself; give it before --"
    fi
  done
}

# What the hosts run: --longhaul, else this tree's build, else the one in PATH.
choose_program() {
  local built=$LONGHAUL_ROOT/build/release/src/app/longhaul
  if [[ -n ${OPTION[longhaul]-} ]]; then
    OPTION[longhaul]=$(make_absolute "${OPTION[longhaul]}")
  elif [[ -x $built ]]; then
    OPTION[longhaul]=$built
  elif command -v longhaul >/dev/null; then
    OPTION[longhaul]=$(command -v longhaul)
  else
    OPTION[longhaul]=$built
  fi
}
