# shellcheck shell=bash
# One way to reach a host: a wrapper around ssh, written for each job, that both our checks and mpirun
# use. Options and the way to the password are in the wrapper's text, so that no environment variable
# of ssh reaches mpirun's children.

# Seconds until a host that does not answer at all is given up.
readonly SSH_CONNECT_TIMEOUT=8
# Set to the job's name for every process that mpirun starts, on every host.
readonly JOB_VARIABLE=LONGHAUL_JOB

# write_ssh_wrapper FILE ASKPASS: FILE HOST COMMAND... then runs COMMAND on HOST.
write_ssh_wrapper() {
  local file=$1 askpass=$2 policy=accept-new
  [[ ${OPTION[host_keys]} == accept-new ]] || policy=yes
  local options=(
    -o "User=${OPTION[user]}" -o "Port=${OPTION[ssh_port]}"
    # New keys go into the job's own file; keys that the user already knows count as well.
    -o "UserKnownHostsFile=\"${OPTION[launch_dir]}/known_hosts\" ~/.ssh/known_hosts"
    -o "StrictHostKeyChecking=$policy" -o HashKnownHosts=no
    -o "ConnectTimeout=$SSH_CONNECT_TIMEOUT" -o ConnectionAttempts=1
    -o ServerAliveInterval=5 -o ServerAliveCountMax=3
    # A shared master connection would outlive the job; nothing of ours needs forwarding.
    -o ControlMaster=no -o ControlPath=none
    -o ForwardAgent=no -o ForwardX11=no -o ClearAllForwardings=yes
    -o LogLevel=ERROR -T
  )
  if [[ -n $PASSWORD_SOURCE ]]; then
    # shellcheck disable=SC2054 # ssh's own commas
    options+=(-o BatchMode=no -o NumberOfPasswordPrompts=1
      -o PreferredAuthentications=publickey,keyboard-interactive,password)
  else
    options+=(-o BatchMode=yes)
  fi
  {
    cat <<'TEXT'
#!/bin/bash
# Made by the launcher for one job. Usage: ssh HOST COMMAND...
if [[ ${1-} == -x ]]; then shift; fi # mpirun adds it; forwarding is off already
host=$1
shift
# COMMAND is for a POSIX shell; the account's login shell may be another one.
q="'"
escaped="'\\''"
command=$*
command=$q${command//"$q"/"$escaped"}$q
TEXT
    if [[ -n $PASSWORD_SOURCE ]]; then
      printf 'export SSH_ASKPASS=%q SSH_ASKPASS_REQUIRE=force\n' "$askpass"
    fi
    # mpirun's environment holds the mark by which the job's processes are found again on a host.
    # shellcheck disable=SC2016 # for the wrapper to expand
    printf 'start=exec\nif [[ -n ${%s-} ]]; then start="exec env %s=$%s"; fi\n' \
      "$JOB_VARIABLE" "$JOB_VARIABLE" "$JOB_VARIABLE"
    printf 'exec %q' "$(command -v ssh)"
    printf ' %q' "${options[@]}"
    # shellcheck disable=SC2016
    printf ' -- "$host" "$start sh -c $command"\n'
  } >"$file"
  chmod 0700 "$file"
}
