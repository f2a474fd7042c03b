# shellcheck shell=bash disable=SC2154 # mark is assigned in front of this text
# Runs on each host some time after a start, sent to bash over standard input behind an assignment of
# `mark` (see host_cleanup.sh). Prints "ranks", "daemon" when there is no rank but Open MPI's daemon, or
# "nothing".

found=nothing
for folder in /proc/[0-9]*; do
  [[ -O $folder ]] || continue
  grep -qzFx -- "$mark" "$folder/environ" 2>/dev/null || continue
  name=$(cat "$folder/comm" 2>/dev/null) || continue
  case $name in
    mpirun | ssh | sh | bash | env) ;;
    orted) [[ $found == ranks ]] || found=daemon ;;
    *) found=ranks ;;
  esac
done
printf '%s\n' "$found"
