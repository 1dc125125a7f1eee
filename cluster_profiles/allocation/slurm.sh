#!/bin/bash
# The whole workflow inside one Slurm job: sbatch cluster_profiles/allocation/slurm.sh CONFIG
# Adapt to the site: nodes, cores, memory, time; and what makes `pvi` known (below).
#SBATCH --job-name=pvi
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
# Preempted or out of time: the same job again, which goes on at its checkpoint.
#SBATCH --requeue
#SBATCH --open-mode=append
# Ten minutes before the end, to this script; the controller also knows its job's end.
#SBATCH --signal=B:USR1@600
config=$1
# module load mpich; . .venv/bin/activate
pvi resume "$config" --profile cluster_profiles/allocation &
workflow=$!
for signal in USR1 TERM; do trap "kill -$signal $workflow" "$signal"; done
code=129
# `wait` returns at every signal; the workflow is done when it is gone.
while kill -0 "$workflow" 2> /dev/null; do
  wait "$workflow"
  code=$?
done
# 75: stopped at a checkpoint, more to do.
if [ "$code" = 75 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
