#!/bin/bash
# submit.sh RULE THREADS MINUTES SCRIPT: submit a job of the workflow; prints its id.
# Adapt to the site: queue, project, memory, parallel environment.
set -euo pipefail
rule=$1 threads=$2 minutes=$3 script=$4
logs=.snakemake/sge_logs
mkdir -p "$logs"
find "$logs" -type f -mtime +14 -delete
slots=()
if [ "$threads" -gt 1 ]; then slots=(-pe smp "$threads"); fi
# -notify signals every process of a job before it kills them: the controller heeds that, while
# the shells and Snakemake around it must not die of it.
# The controller stops at a checkpoint before the end of its job, which this tells it.
{
  echo "trap '' USR1 USR2"
  echo "export PVI_JOB_END=\$((\$(date +%s) + $((minutes * 60))))"
  cat "$script"
} | qsub -terse -cwd -V -notify -S /bin/bash -j y -o "$logs" -N "pvi.$rule" \
  -l "h_rt=$((minutes * 60))" "${slots[@]}"
