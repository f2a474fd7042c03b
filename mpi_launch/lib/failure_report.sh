# shellcheck shell=bash
# What is said after a job that failed: the ranks' own report, and what mpirun's exit status means.

# json_text NAME < FILE: the string value of a field of a JSON object, unescaped; empty if absent.
json_text() {
  awk -v name="$1" '
    { text = text $0 " " }
    END {
      at = match(text, "\"" name "\"[ \t]*:[ \t]*\"")
      if (at == 0) exit
      rest = substr(text, at + RLENGTH)
      out = ""
      for (i = 1; i <= length(rest); i++) {
        c = substr(rest, i, 1)
        if (c == "\"") break
        if (c == "\\") {
          i++
          c = substr(rest, i, 1)
          if (c == "n" || c == "t" || c == "r") c = " "
        }
        out = out c
      }
      print out
    }'
}

# json_number NAME < FILE: the integer part of a number; empty if absent.
json_number() {
  awk -v name="$1" '
    { text = text $0 " " }
    END {
      if (match(text, "\"" name "\"[ \t]*:[ \t]*[0-9]+")) {
        found = substr(text, RSTART, RLENGTH)
        sub(/.*:[ \t]*/, "", found)
        print found
      }
    }'
}

explain_status() {
  case $1 in
    134) printf 'a rank aborted (SIGABRT): its message is above' ;;
    135) printf 'a rank got SIGBUS: often a full /dev/shm or a file that was cut off' ;;
    137) printf 'a rank was killed (SIGKILL): if nobody did it, the kernel did for want of memory (dmesg tells)' ;;
    139) printf 'a rank crashed (SIGSEGV)' ;;
    205) printf 'contact with a host was lost: its daemon ended, the host stopped, or the network failed' ;;
    *) printf 'the message above says more' ;;
  esac
}

# report_failure STATUS BEGAN HOST...: BEGAN is when the attempt started, in seconds since 1970.
report_failure() {
  local status=$1 began=$2 text message remedy host when=''
  shift 2
  printf 'error: the job ended with exit status %d: %s\n' "$status" "$(explain_status "$status")" >&2
  for host in "$@"; do
    is_one_of "$host" ${UNREACHED[@]+"${UNREACHED[@]}"} || break
  done
  # Any host that answers can read the shared save directory.
  text=$(run_on "$host" "cat -- $(printf '%q' "${OPTION[save]}/failure.json") 2>/dev/null" 2>/dev/null) || text=
  if [[ -n $text ]]; then when=$(json_number time <<<"$text"); fi
  # A clock on another host may be a little behind.
  if [[ -n $when ]] && ((when + 5 >= began)); then
    message=$(json_text message <<<"$text")
    remedy=$(json_text remedy <<<"$text")
    printf '  %s\n' "$message" >&2
    if [[ -n $remedy ]]; then printf '  what to do: %s\n' "$remedy" >&2; fi
    printf '  the whole record: %s/failure.json\n' "${OPTION[save]}" >&2
  fi
  for host in ${UNREACHED[@]+"${UNREACHED[@]}"}; do
    printf '  %s does not answer: whether something of the job is left there could not be seen\n' "$host" >&2
  done
}
