# shellcheck shell=bash disable=SC2154 # both are assigned in front of this text
# Runs on each host after a job, sent to bash over standard input behind assignments of
#   mark     the environment variable that every process of the job carries, as NAME=VALUE
#   session  the folder of Open MPI's session files, this job's only
# Ends what is left of the job, prints a line "PID NAME" for each process, and removes files that killed
# processes could not remove.

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

rm -rf -- "$session"
# Open MPI's shared memory of killed ranks would fill /dev/shm over time: what no process has mapped,
# and is older than a start takes.
while IFS= read -r segment; do
  if ! grep -qF -- "$segment" /proc/[0-9]*/maps 2>/dev/null; then rm -f -- "$segment"; fi
done < <(find /dev/shm -maxdepth 1 -user "$(id -u)" -name 'vader_segment.*' -not -newermt '-2 seconds' 2>/dev/null)
exit 0
