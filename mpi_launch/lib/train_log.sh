# shellcheck shell=bash
# Reading train_log.jsonl (one JSON object a line) with awk alone; needs fail() of dependencies.sh.

# field NAME < LOG: "step value" for each line; a null comes out as "null".
train_log_field() {
  awk -v name="$1" '
    function value(key,    at, rest) {
      at = index($0, "\"" key "\":")
      if (at == 0) return ""
      rest = substr($0, at + length(key) + 3)
      sub(/^[ \t]*/, "", rest)
      match(rest, /^[^,}]*/)
      return substr(rest, 1, RLENGTH)
    }
    { print value("step"), value(name) }'
}

# check_steps LOG LAST: the log has the steps 1..LAST, each once and in order.
check_steps() {
  local log=$1 last=$2 fault
  [[ -s $log ]] || fail 1 "$log is missing or empty"
  fault=$(train_log_field step <"$log" | awk -v last="$last" '
    $1 != NR { print "line " NR " is of step " $1; found = 1; exit }
    END { if (!found && NR != last) print "there are " NR " lines for " last " steps" }')
  [[ -z $fault ]] || fail 1 "$log does not have every step exactly once: $fault"
}

# "FIRST LAST": the mean loss of the first 3 and of the last 5 steps; nothing when one is missing.
loss_ends() {
  train_log_field loss <"$1" | awk '
    $2 !~ /^-?[0-9]/ { bad = 1; exit }
    { loss[NR] = $2 }
    END {
      if (bad || NR < 8) exit
      for (i = 1; i <= 3; i++) first += loss[i] / 3
      for (i = NR - 4; i <= NR; i++) last += loss[i] / 5
      printf "%.4f %.4f\n", first, last
    }'
}

# check_loss_has_fallen LOG: the last steps lose at most four fifths of what the first ones lost.
check_loss_has_fallen() {
  local log=$1 first last
  read -r first last < <(loss_ends "$log") ||
    fail 1 "$log: a loss is missing or not a number, or there are fewer than 8 steps"
  awk -v first="$first" -v last="$last" 'BEGIN { exit !(last <= 0.8 * first) }' ||
    fail 1 "the loss has not clearly fallen: $first in the first steps, $last in the last; see $log"
}

describe_loss() {
  local first last
  read -r first last < <(loss_ends "$1")
  printf 'Loss %s in the first three steps, %s in the last five.' "$first" "$last"
}
