#!/bin/bash
# status.sh ID: print running, success or failed for a Grid Engine job.
id=$1
state=$(qstat 2> /dev/null | awk -v id="$id" '$1 == id { print $5 }')
case "$state" in
  *E*) echo failed && exit ;;
  ?*) echo running && exit ;;
esac
# Gone from the queue; its accounting record may come some seconds later.
for _ in $(seq 20); do
  result=$(qacct -j "$id" 2> /dev/null |
    awk '$1 == "failed" { f = $2 } $1 == "exit_status" { e = $2 } END { if (e != "") print f, e }')
  [ -n "$result" ] && break
  sleep 0.5
done
case "$result" in
  "0 0") echo success ;;
  "") echo running ;;
  *) echo failed ;;
esac
