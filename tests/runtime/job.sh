#!/bin/sh
# A service that is a file: job.sh start|stop|status. Its host is told by the daemon's run directory.
file="$HA_MONITOR_RUN/job"
case "$1" in
start) touch "$file" ;;
stop) rm -f "$file" ;;
status) test -e "$file" || exit 3 ;;
*) exit 2 ;;
esac
