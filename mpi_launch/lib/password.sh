# shellcheck shell=bash
# The ssh password, if there is one: from --ssh_password_file, LONGHAUL_SSH_PASSWORD or
# --ssh_password. Only ssh's askpass program reads it. It is in no process's arguments or environment
# and in no file but the one that the user gave:
#   * a password from the command line or the environment goes into a file that has no name any more
#     and lives in memory; this script then replaces itself by a copy without it (same process id,
#     file descriptor kept), so that neither /proc/PID/cmdline nor /proc/PID/environ has it;
#   * the askpass program gets the path to read as text of its own, not through the environment.

readonly PASSWORD_VARIABLE=LONGHAUL_SSH_PASSWORD
# Set for our own copy only: the descriptor that holds the password.
readonly PASSWORD_FD_VARIABLE=LONGHAUL_SSH_PASSWORD_FD

# The file that askpass reads; empty without a password.
PASSWORD_SOURCE=

# A descriptor on a file in memory without a name; its number comes out in PASSWORD_FD.
open_nameless_file() {
  local folder name
  for folder in /dev/shm "${TMPDIR:-/tmp}"; do
    name=$(umask 077 && mktemp "$folder/longhaul-XXXXXXXX" 2>/dev/null) || continue
    exec {PASSWORD_FD}<>"$name"
    rm -f "$name"
    # Only now is anything written, and a full file system says so.
    if printf '%s\n' "$1" 2>/dev/null >"/proc/self/fd/$PASSWORD_FD"; then return 0; fi
    exec {PASSWORD_FD}>&-
  done
  fail 1 "no space for a password in /dev/shm or ${TMPDIR:-/tmp} on $(hostname): free some, or use" \
    "--ssh_password_file"
}

# take_password SCRIPT ARGUMENT...: call it first, with the script's own path and arguments. It may
# replace this process by one that runs the same script without the password.
take_password() {
  local script=$1
  shift
  local password='' kept=() argument from=
  if [[ -n ${!PASSWORD_VARIABLE-} ]]; then
    password=${!PASSWORD_VARIABLE}
    from=environment
  fi
  while (($# > 0)); do
    argument=$1
    shift
    case $argument in
      --)
        kept+=(-- "$@")
        break
        ;;
      --ssh_password | --ssh-password)
        (($# > 0)) || fail 2 "--ssh_password needs a value; --help shows how"
        password=$1
        from=argument
        shift
        ;;
      --ssh_password=* | --ssh-password=*)
        password=${argument#*=}
        from=argument
        ;;
      *) kept+=("$argument") ;;
    esac
  done
  if [[ -z $from ]]; then
    # An empty variable is no password; the ranks need not see it either.
    unset "$PASSWORD_VARIABLE"
    return 0
  fi
  [[ -n $password ]] || fail 2 "--ssh_password: the value is empty"
  if [[ $password == *$'\n'* ]]; then fail 2 "the ssh password has more than one line"; fi
  if [[ $from == argument ]]; then
    warn "--ssh_password: every user of this machine can read command lines, and the shell's history" \
      "keeps them; use --ssh_password_file or the environment variable $PASSWORD_VARIABLE"
  fi
  open_nameless_file "$password"
  unset password "$PASSWORD_VARIABLE"
  export "$PASSWORD_FD_VARIABLE=$PASSWORD_FD"
  exec bash "$script" ${kept[@]+"${kept[@]}"}
}

# Decides where askpass will read. Call it after parse_options.
find_password_source() {
  local file=${OPTION[ssh_password_file]-} fd=${!PASSWORD_FD_VARIABLE-}
  unset "$PASSWORD_FD_VARIABLE"
  if [[ -n $file && -n $fd ]]; then
    fail 2 "the ssh password is given twice: keep --ssh_password_file and drop --ssh_password or" \
      "$PASSWORD_VARIABLE"
  fi
  if [[ -n $file ]]; then
    file=$(make_absolute "$file")
    [[ -f $file && -r $file ]] || fail 2 "--ssh_password_file $file: no readable file on $(hostname)"
    [[ -n $(head -n 1 -- "$file") ]] || fail 2 "--ssh_password_file $file: the first line is empty"
    local mode
    mode=$(stat -c %a -- "$file")
    if ((8#$mode & 8#077)); then
      fail 2 "--ssh_password_file $file: other users may read it (mode $mode); chmod 600 it"
    fi
    PASSWORD_SOURCE=$file
  elif [[ $fd =~ ^[0-9]+$ && -r /proc/$$/fd/$fd ]]; then
    PASSWORD_SOURCE=/proc/$$/fd/$fd
  fi
}

# write_askpass FILE: the program that ssh calls for the password. It answers nothing but a request
# for one: no questions about host keys, no passphrase of a key.
write_askpass() {
  {
    printf '#!/bin/sh\n'
    # shellcheck disable=SC2016 # for the program to expand
    printf 'case $1 in *passphrase*|*"(yes/no"*|*PIN*) exit 1 ;; esac\n'
    printf 'exec head -n 1 -- %q\n' "$PASSWORD_SOURCE"
  } >"$1"
  chmod 0700 "$1"
}
