#!/bin/bash
# Train on several nodes of a SLURM cluster: sbatch configs/cluster/slurm.sh
# An example: adapt partition, account, paths and modules. One SLURM task per GPU; Lightning reads the rest from SLURM.
#SBATCH --job-name=colorzoo
#SBATCH --nodes=2
#SBATCH --gpus-per-node=4
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --requeue
# Lightning answers SIGUSR1 by a checkpoint (hpc_ckpt_N.ckpt in default_root_dir) and asks SLURM to queue the job again;
# the next start continues from it by itself. Two minutes must do for saving.
#SBATCH --signal=SIGUSR1@120
#SBATCH --output=%x-%j.log

set -euo pipefail

RUN=${RUN:-$HOME/colorzoo-runs/zhang2017_local}
DATA=${DATA:?give the folder of pictures: sbatch --export=ALL,DATA=/path configs/cluster/slurm.sh}

# The published batch of 25 is the batch of all processes together: 8 processes of 3 come nearest.
# Papers with a discriminator need --trainer.strategy=ddp_find_unused_parameters_true.
srun colorzoo fit \
  --config zhang2017/local.yaml \
  --data.root="$DATA" \
  --data.batch_size=3 \
  --data.num_workers=6 \
  --trainer.accelerator=gpu \
  --trainer.devices="$SLURM_NTASKS_PER_NODE" \
  --trainer.num_nodes="$SLURM_JOB_NUM_NODES" \
  --trainer.strategy=ddp \
  --trainer.default_root_dir="$RUN"
