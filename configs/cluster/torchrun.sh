#!/bin/bash
# Train by torchrun, on one node or several: run the same command on each node, MAIN being the first one's name.
#   MAIN=node1 NODES=2 DATA=/images RUN=/shared/runs/zhang2017 configs/cluster/torchrun.sh --config zhang2017/local.yaml
# Your configurations come after cluster/ddp.yaml, so that another overlay (cluster/fsdp.yaml) replaces its settings.
# A process that dies ends the others. All are started again then, up to RESTARTS times, and go on from the newest
# checkpoint below RUN, the folder that --ckpt_path names. SIGTERM and Ctrl+C to this script save and end the run for good:
# exit code 143 or 130.
set -euo pipefail

MAIN=${MAIN:-127.0.0.1}
NODES=${NODES:-1}
GPUS=${GPUS:-gpu}
RESTARTS=${RESTARTS:-3}
DATA=${DATA:?the folder of images}
RUN=${RUN:?the folder of the run, which all nodes see}

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
  ((ended == 0)) || kill -TERM "$child" # the signal came before the number of the process was known
  code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do # a signal ends `wait`, not the training
    code=0
    wait "$child" || code=$?
  done
  ((ended)) && exit "$ended"
  ((code)) || exit 0
done
exit 1
