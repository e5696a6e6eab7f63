# FOLDER COMMAND…: runs COMMAND with its words in FOLDER/broker.log, and kills it and removes FOLDER as soon as standard input
# ends. Whoever starts this holds the other end of that pipe: when it dies, even by SIGKILL, so does COMMAND.
folder=$1
shift
exec 3<&0
"$@" </dev/null >>"$folder/broker.log" 2>&1 3<&- &
broker=$!
{ read -r _ <&3; kill -9 "$broker"; } 2>/dev/null &
guard=$!
wait "$broker"
status=$?
kill "$guard" 2>/dev/null
# 137: it was killed. If it ended by itself, its words stay for whoever started it.
[ "$status" -eq 137 ] && rm -rf "$folder"
exit "$status"
