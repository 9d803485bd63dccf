#!/bin/bash
# Train on several nodes of a SLURM cluster:
#   sbatch --export=ALL,DATA=/images configs/cluster/slurm.sh --config zhang2017/local.yaml --data.batch_size 24
# Adapt partition, account, paths and modules. Test the options in an interactive job with --trainer.fast_dev_run true.
# The job has one SLURM task per GPU; Lightning reads all other values from SLURM's environment variables.
#SBATCH --job-name=colorzoo
#SBATCH --nodes=2
#SBATCH --gpus-per-node=4
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --requeue
# After SIGUSR1 all processes finish the step or validation batch, write interrupted.ckpt and requeue the job. This must take less
# than the 120 seconds below. After scancel or a preemption, Slurm sends SIGTERM, and SIGKILL after KillWait (30 seconds by default)
# or the GraceTime of the partition. The next job resumes from the newest checkpoint below RUN (--ckpt_path), even after a
# crash or with another number of nodes. Your configurations follow cluster/ddp.yaml and override its settings.
#SBATCH --signal=SIGUSR1@120
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append

set -euo pipefail

DATA=${DATA:?set the folder of images: sbatch --export=ALL,DATA=/path configs/cluster/slurm.sh}
RUN=${RUN:-$HOME/colorzoo-runs/$SLURM_JOB_ID}
# since Slurm 22.05, srun does not use the --cpus-per-task of the job
[[ -z "${SLURM_CPUS_PER_TASK:-}" ]] || export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK

srun colorzoo fit --config cluster/ddp.yaml "$@" \
  --data.root="$DATA" \
  --data.num_workers="${WORKERS:-6}" \
  --trainer.devices="$SLURM_NTASKS_PER_NODE" \
  --trainer.num_nodes="$SLURM_JOB_NUM_NODES" \
  --trainer.default_root_dir="$RUN" \
  --ckpt_path="$RUN"
