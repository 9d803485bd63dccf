#!/bin/bash
# Train with torchrun on one or several nodes. Run the same command on each node; MAIN is the name of the first node.
#   MAIN=node1 NODES=2 DATA=/images RUN=/shared/runs/zhang2017 configs/cluster/torchrun.sh --config zhang2017/local.yaml
# Your configurations follow cluster/ddp.yaml and override its settings. If a process dies, all processes are restarted up to
# RESTARTS times and resume from the newest checkpoint below RUN (--ckpt_path). After SIGTERM or Ctrl+C, this script saves a
# checkpoint and ends the run with exit code 143 or 130.
set -euo pipefail

MAIN=${MAIN:-127.0.0.1}
NODES=${NODES:-1}
GPUS=${GPUS:-gpu}
RESTARTS=${RESTARTS:-3}
DATA=${DATA:?set the folder of images}
RUN=${RUN:?set the run folder on a file system that all nodes share}

ended=0
child=
end() { # end CODE: SIGTERM for both signals, as a background process ignores SIGINT
  ended=$1
  [[ -z "$child" ]] || kill -TERM "$child"
}
trap 'end 143' TERM
trap 'end 130' INT

for ((attempt = 0; attempt <= RESTARTS; attempt++)); do
  child=
  torchrun --nnodes="$NODES" --nproc-per-node="$GPUS" \
    --rdzv-backend=c10d --rdzv-endpoint="$MAIN:29400" --rdzv-id="colorzoo$attempt" \
    -m colorzoo fit --config cluster/ddp.yaml "$@" \
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
  ((ended)) && exit "$ended"
  ((code)) || exit 0
done
exit 1
