#!/bin/bash
# The whole workflow inside one Grid Engine job: qsub cluster_profiles/allocation/sge.sh CONFIG
# Adapt to the site: slots, parallel environment, memory, time; and what makes `pvi` known.
#$ -N pvi
#$ -cwd
#$ -V
#$ -j y
#$ -S /bin/bash
#$ -pe smp 8
#$ -l h_rt=04:00:00
# Run again after a preemption or a lost node; SIGUSR2 comes before the end.
#$ -r y
#$ -notify
config=$1
# h_rt of this job: the controller stops at a checkpoint before.
export PVI_JOB_END=$(($(date +%s) + 4 * 3600))
# module load mpich; . .venv/bin/activate
pvi resume "$config" --profile cluster_profiles/allocation &
workflow=$!
for signal in USR1 USR2; do trap "kill -$signal $workflow" "$signal"; done
code=129
while kill -0 "$workflow" 2> /dev/null; do
  wait "$workflow"
  code=$?
done
# 75: stopped at a checkpoint, more to do. Grid Engine runs a job again that ends with 99.
if [ "$code" = 75 ]; then code=99; fi
exit "$code"
