# Runs one command and ends it when the other end of our standard input goes away, whatever the reason.
# Arguments: seconds between TERM and KILL, log of standard output, log of standard error, the command.
# Standard input: one signal name per line, sent on to the command. Standard output: the command's process ID.
# The guard leads a process group, so a Ctrl-C for the terminal's group does not reach it.
grace=$1 out=$2 err=$3
shift 3
exec 3<&0 </dev/null
if [ "$out" = "$err" ]; then
  "$@" 3<&- >>"$out" 2>&1 &
else
  "$@" 3<&- >>"$out" 2>>"$err" &
fi
child=$!
echo "$child"
exec >/dev/null 2>&1
(
  while read -r signal <&3; do kill -s "$signal" "$child"; done
  if [ "$grace" -gt 0 ]; then
    kill -s TERM "$child"
    sleep "$grace"
  fi
  kill -s KILL "$child"
) &
exec 3<&-
wait "$child"
code=$?
# What the command left behind, and the watch above.
trap '' TERM
kill -s TERM 0
exit "$code"
