# shellcheck shell=bash disable=SC2154 # mark is assigned in front of this text
# Runs on each host after a job that did not end well, sent to bash over standard input behind an
# assignment of `mark`, the environment variable that every process of the job carries. Ends those that
# are left, this user's only, and prints one line "PID NAME" for each.

of_this_job() {
  local folder pid
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    [[ $pid != "$$" && -O $folder ]] || continue
    # A process may end, or be a zombie, while it is looked at.
    if grep -qzFx -- "$mark" "$folder/environ" 2>/dev/null; then printf '%s\n' "$pid"; fi
  done
}

mapfile -t left < <(of_this_job)
for pid in ${left[@]+"${left[@]}"}; do
  name=$(cat "/proc/$pid/comm" 2>/dev/null) || continue
  if kill -KILL "$pid" 2>/dev/null; then printf '%s %s\n' "$pid" "$name"; fi
done
