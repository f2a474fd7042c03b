#!/usr/bin/env bash
# From a fresh clone to a trained, resumed, inspected and exported model on one machine without a GPU.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mpi_launch/lib/dependencies.sh
source "$here/lib/dependencies.sh"
# shellcheck source=mpi_launch/lib/train_log.sh
source "$here/lib/train_log.sh"

usage() {
  cat <<'TEXT'
Usage: bash mpi_launch/quickstart.sh [--output DIR] [--steps N] [--keep]

Installs what is missing (Debian packages; as root, otherwise it says how), builds Longhaul, makes a
small Qwen3-type model with the real Qwen3 tokenizer, trains it on four ranks (tensor parallel 2,
context parallel 2) on the sample of agent conversations in mpi_launch/quickstart/, stops the run in
the middle, resumes it, checks that the loss has clearly fallen, and exports the result.

  --output DIR  where everything goes (default: quickstart-run in the project's folder). A former
                quick start's folder is replaced; any other folder that is not empty is refused.
  --steps N     optimizer steps in all, at least 10 (default 40)
  --keep        move a former run into DIR/former/ rather than removing it
  --help        print this text
TEXT
}

output=$LONGHAUL_ROOT/quickstart-run
steps=40
keep=no
while (($# > 0)); do
  case $1 in
    --output | --steps)
      (($# >= 2)) || fail 2 "$1 needs a value; --help shows how"
      if [[ $1 == --output ]]; then output=$2; else steps=$2; fi
      shift
      ;;
    --keep) keep=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail 2 "unknown argument '$1'; --help lists them" ;;
  esac
  shift
done
if [[ ! $steps =~ ^[0-9]{1,6}$ ]] || ((10#$steps < 10)); then
  fail 2 "--steps $steps: give a whole number of at least 10"
fi
steps=$((10#$steps))
[[ -n $output ]] || fail 2 "--output is empty; give a folder"

readonly marker=.longhaul-quickstart
readonly dataset=$here/quickstart/agent_sample.jsonl
readonly halfway=$((steps / 2))
readonly ranks=4

began=$SECONDS
stage=0
next_stage() {
  stage=$((stage + 1))
  printf '\n[%d/7] %s\n' "$stage" "$*"
}

# ---- 1: packages and folder ---------------------------------------------------------------------
next_stage "Packages and folders"
if [[ -e $output && ! -d $output ]]; then
  fail 2 "--output $output is no folder; give another"
fi
if [[ -d $output && ! -f $output/$marker && -n $(ls -A "$output") ]]; then
  fail 2 "--output $output holds files that are not from a quick start; give another folder"
fi
mkdir -p "$output"
output=$(cd "$output" && pwd)
# shellcheck disable=SC2119 # no packages beyond the list
require_packages
if [[ -f $output/$marker ]]; then
  if [[ $keep == yes ]]; then
    former=$output/former/$(date +%Y%m%d-%H%M%S)
    mkdir -p "$former"
    for entry in model run export logs; do
      if [[ -e $output/$entry ]]; then mv "$output/$entry" "$former/"; fi
    done
    say "The former run is now in $former"
  else
    rm -rf "${output:?}/model" "${output:?}/run" "${output:?}/export" "${output:?}/logs"
  fi
fi
mkdir -p "$output/model" "$output/logs"
printf 'Made by mpi_launch/quickstart.sh, which may remove model, run, export and logs here.\n' \
  >"$output/$marker"
say "Everything goes to $output"

# ---- 2: build -----------------------------------------------------------------------------------
next_stage "Build"
build_began=$SECONDS
preset=release
if ! has_gpu && find_nvcc >/dev/null && [[ ! -x $LONGHAUL_ROOT/build/release/src/app/longhaul ]]; then
  preset=cpu
  say "There is no GPU here, so the program is built without the CUDA backend, in build/cpu. With it, in build/release:"
  say "  cmake --preset release && cmake --build --preset release --target longhaul"
fi
readonly longhaul=$LONGHAUL_ROOT/build/$preset/src/app/longhaul
configure_and_build "$preset" "$LONGHAUL_ROOT/build/quickstart-build.log" longhaul
say "Built in $(human_seconds $((SECONDS - build_began))): $("$longhaul" --version)"

# ---- 3: model -----------------------------------------------------------------------------------
next_stage "A small Qwen3-type model with random weights"
tokenizer=$output/logs/tokenizer
mkdir -p "$tokenizer"
gunzip -c "$here/quickstart/tokenizer/tokenizer.json.gz" >"$tokenizer/tokenizer.json"
cp "$here/quickstart/tokenizer/tokenizer_config.json" "$tokenizer/"
"$longhaul" init --config "$here/quickstart/config.json" --tokenizer "$tokenizer" \
  --output "$output/model" --seed 42
rm -rf "$tokenizer"

# ---- 4 and 5: train, stop, resume ---------------------------------------------------------------
set_mpi_environment
train=(mpirun -n "$ranks" "$longhaul" train
  --model "$output/model" --dataset "$dataset" --save "$output/run"
  --tensor_model_parallel_size 2 --context_parallel_size 2 --backend cpu
  --max_length 3072 --micro_bs 1 --global_bs 1 --train_iters "$steps"
  --lr 4e-3 --min_lr 4e-4 --lr_warmup_fraction 0.05 --split_dataset_ratio 0.05
  --save_interval "$halfway" --eval_interval "$halfway" --seed 42 --resume auto)

mpirun_pid=
stop_training() {
  if [[ -n $mpirun_pid ]] && kill -0 "$mpirun_pid" 2>/dev/null; then
    kill -TERM "$mpirun_pid" 2>/dev/null || true
    # A run that does not end within half a minute is ended the hard way.
    local i
    for ((i = 0; i < 150; i++)); do
      kill -0 "$mpirun_pid" 2>/dev/null || break
      sleep 0.2
    done
    kill -KILL "$mpirun_pid" 2>/dev/null || true
  fi
}
trap stop_training EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

next_stage "Training on $ranks ranks (TP 2 x CP 2), to be stopped after step $halfway of $steps"
# In the background, with no standard input: this script watches for the checkpoint.
"${train[@]}" </dev/null &
mpirun_pid=$!
while kill -0 "$mpirun_pid" 2>/dev/null && [[ ! -s $output/run/latest ]]; do
  sleep 0.1
done
if [[ ! -s $output/run/latest ]]; then
  status=0
  wait "$mpirun_pid" || status=$?
  mpirun_pid=
  fail 1 "training ended (exit status $status) before it wrote a checkpoint; its message is above"
fi
stop_training
wait "$mpirun_pid" 2>/dev/null || true
mpirun_pid=
say ""
say "Stopped on purpose after the checkpoint $(cat "$output/run/latest")."

next_stage "The same command again: it resumes from the checkpoint"
"${train[@]}" </dev/null &
mpirun_pid=$!
status=0
wait "$mpirun_pid" || status=$?
mpirun_pid=
((status == 0)) || fail 1 "the resumed run failed (exit status $status); its message is above"
check_steps "$output/run/train_log.jsonl" "$steps"
check_loss_has_fallen "$output/run/train_log.jsonl"

# ---- 6: look at the checkpoint ------------------------------------------------------------------
next_stage "The checkpoint: every checksum verified"
"$longhaul" inspect "$output/run" --verify true >"$output/logs/inspect.txt" ||
  fail 1 "inspect found a fault; its message is above"
sed -n '1,20p' "$output/logs/inspect.txt"
say "  ... the whole list is in $output/logs/inspect.txt"

# ---- 7: export ----------------------------------------------------------------------------------
next_stage "Export to Hugging Face form, read back and compared bit for bit"
"$longhaul" export --checkpoint "$output/run" --output "$output/export" --verify true

# ---- summary ------------------------------------------------------------------------------------
last=$(cat "$output/run/latest")
cat <<TEXT

Done in $(human_seconds $((SECONDS - began))). $(describe_loss "$output/run/train_log.jsonl")

  model before training  $output/model
  checkpoint             $output/run/$last
  loss, speed, memory    $output/run/train_log.jsonl
  TensorBoard events     $output/run/runs
  rejected rows, if any  $output/run/rejected.jsonl
  model after training   $output/export   (transformers' from_pretrained loads it)

Try next:
  $longhaul inspect $output/run
  h5ls -r $output/run/$last/index.h5
  tensorboard --logdir $output/run/runs
  $longhaul train --help
TEXT
