#!/bin/bash
# Train on several nodes of a SLURM cluster:
#   sbatch --export=ALL,DATA=/images configs/cluster/slurm.sh --config zhang2017/local.yaml --data.batch_size 24
# Try it in an interactive job first: the same options with --trainer.fast_dev_run true.
# An example: adapt partition, account, paths and modules. One SLURM task per GPU; Lightning reads the rest from SLURM.
#SBATCH --job-name=colorzoo
#SBATCH --nodes=2
#SBATCH --gpus-per-node=4
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --requeue
# After SIGUSR1 all processes finish the step, write interrupted.ckpt and put the job back into the queue. Two minutes must be
# enough for a step (or a validation, if one is due) and for saving. The next start takes the newest checkpoint below
# RUN, after a crash or on another number of nodes too: --ckpt_path names that folder. Your configurations come after cluster/ddp.yaml, so that another
# overlay (cluster/fsdp.yaml) replaces its settings.
#SBATCH --signal=SIGUSR1@120
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append

set -euo pipefail

DATA=${DATA:?give the folder of images: sbatch --export=ALL,DATA=/path configs/cluster/slurm.sh}
RUN=${RUN:-$HOME/colorzoo-runs/$SLURM_JOB_ID}

srun colorzoo fit --config cluster/ddp.yaml "$@" \
  --data.root="$DATA" \
  --data.num_workers="${WORKERS:-6}" \
  --trainer.devices="$SLURM_NTASKS_PER_NODE" \
  --trainer.num_nodes="$SLURM_JOB_NUM_NODES" \
  --trainer.default_root_dir="$RUN" \
  --ckpt_path="$RUN"
