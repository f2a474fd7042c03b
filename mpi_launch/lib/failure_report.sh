# shellcheck shell=bash disable=SC2153,SC2154 # files of this folder share variables
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

# report_failure STATUS: JOB_RECORD says whether the ranks left a record of this attempt.
report_failure() {
  local status=$1 text='' remedy host
  if [[ $JOB_RECORD == yes ]]; then text=$(cat -- "${OPTION[save]}/failure.json" 2>/dev/null) || text=; fi
  if [[ -n $text ]]; then
    printf 'error: the job failed (exit status %d): %s\n' "$status" "$(json_text message <<<"$text")" >&2
    remedy=$(json_text remedy <<<"$text")
    if [[ -n $remedy ]]; then printf '  what to do: %s\n' "$remedy" >&2; fi
    printf '  the whole record: %s/failure.json\n' "${OPTION[save]}" >&2
  else
    printf 'error: the job failed (exit status %d): %s\n' "$status" "$(explain_status "$status")" >&2
  fi
  for host in ${UNREACHED[@]+"${UNREACHED[@]}"}; do
    printf '  %s does not answer: whether something of the job is left there could not be seen\n' "$host" >&2
  done
}
