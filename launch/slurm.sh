#!/usr/bin/env bash
# Trains on a Slurm cluster: one process for each GPU, any number of nodes.
#
#   sbatch --nodes=2 --gpus-per-node=8 --ntasks-per-node=8 launch/slurm.sh \
#       --config=configs/market1501_supervised_lad.py --data_dir=data --workdir=runs/lad
#
# It assumes: submitted from the repository's root; a virtual environment in .venv with
# `pip install -e ".[cuda]"`; data_dir and workdir on a file system that all nodes share; as
# many tasks as GPUs. Two minutes before the time limit, or when preempted, Slurm sends SIGTERM: the
# run saves a checkpoint, and the job is queued again to go on from it.
#SBATCH --job-name=pnr_jax
#SBATCH --time=24:00:00
#SBATCH --cpus-per-task=8
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=pnr_jax-%j.log
set -euo pipefail

# Of glibc: huge pages, and one arena a core (pnr_jax/cli.py says why).
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1:glibc.malloc.arena_max=${SLURM_CPUS_PER_TASK:-8}}

stopped=
trap 'stopped=yes; kill -TERM "$step"' TERM # srun passes it on to every task.

srun --kill-on-bad-exit=1 --gpus-per-task=1 --gpu-bind=none \
  .venv/bin/python launch/train.py --distributed "$@" &
step=$!
status=0
wait "$step" || status=$?
if [[ $stopped ]]; then # The signal ended the first wait; the run is still saving.
  status=0
  wait "$step" || status=$?
  ((status == 0)) && scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
