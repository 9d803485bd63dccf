#!/bin/bash
# Train with torchrun on one or several nodes. Run the same command on each node; MAIN is the name of the first node.
#   MAIN=node1 NODES=2 DATA=/images RUN=/shared/runs/zhang2017 configs/cluster/torchrun.sh --config zhang2017/local.yaml
# Your configurations follow cluster/ddp.yaml and override its settings. GPUS limits the number of processes per node. If a
# process dies, all processes are restarted up to RESTARTS times and resume from the newest checkpoint below RUN (--ckpt_path).
# After SIGTERM or Ctrl+C, the run saves a checkpoint and this script ends with exit code 143 or 130. A step or validation batch
# and the checkpoint must take less than GRACE seconds; then torchrun kills its processes. If no checkpoint was saved, the exit
# code is 1. Old versions of torchrun (2.14 is tested) ignore GRACE and kill their processes after 30 seconds.
set -euo pipefail

MAIN=${MAIN:-127.0.0.1}
NODES=${NODES:-1}
GPUS=${GPUS:-gpu}
RESTARTS=${RESTARTS:-3}
DATA=${DATA:?set the folder of images}
RUN=${RUN:?set the run folder on a file system that all nodes share}
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=${GRACE:-120}

# Runs on the same node must not share a port: one node uses a free port (0), several nodes a port that depends on RUN.
id=$(cksum <<<"$RUN" | cut -d ' ' -f 1)
if ((NODES == 1)); then PORT=${PORT:-0}; else PORT=${PORT:-$((20000 + id % 10000))}; fi
devices=$GPUS
[[ "$GPUS" != gpu ]] || devices=auto # all GPUs of the node

ended=0
child=
end() { # end CODE: SIGTERM for both signals, as a background process ignores SIGINT
  ended=$1
  [[ -z "$child" ]] || kill -TERM "$child"
}
trap 'end 143' TERM
trap 'end 130' INT

checkpoints() { # paths, inodes and times of the checkpoints of interrupted runs
  find "$RUN" -name interrupted.ckpt -printf '%p %i %T@\n' 2>/dev/null | sort
}

for ((attempt = 0; attempt <= RESTARTS; attempt++)); do
  child=
  before=$(checkpoints || true)
  torchrun --nnodes="$NODES" --nproc-per-node="$GPUS" \
    --rdzv-backend=c10d --rdzv-endpoint="$MAIN:$PORT" --rdzv-id="colorzoo-$id-$attempt" \
    -m colorzoo fit --config cluster/ddp.yaml "$@" \
    --trainer.devices="$devices" \
    --trainer.num_nodes="$NODES" \
    --data.root="$DATA" \
    --trainer.default_root_dir="$RUN" \
    --ckpt_path="$RUN" &
  child=$!
  ((ended == 0)) || kill -TERM "$child" # the signal arrived before the process ID was known
  code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do # a signal interrupts `wait`, but not the training
    code=0
    wait "$child" || code=$?
  done
  if ((ended)); then
    after=$(checkpoints || true)
    [[ -z "$after" || "$after" == "$before" ]] || exit "$ended"
    echo "torchrun.sh: the run ended without a new interrupted.ckpt below $RUN" >&2
    exit 1
  fi
  ((code)) || exit 0
done
exit 1
