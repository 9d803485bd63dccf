"""One of two processes of a training that is hurt in its first start; torchrun starts it."""

import os
import signal
import sys
from pathlib import Path

import torch
from harness import BATCH, fit
from lightning.pytorch.strategies import DDPStrategy

from colorzoo.training.checkpoint_lookup import find_checkpoint


def main(root: Path, folder: Path, how: str, ranks: str) -> None:
    """Train two processes; those of ``ranks`` send themselves the signal ``how`` in a step."""
    torch.set_num_threads(1)
    rank = os.environ["RANK"]
    hurt = bool(how) and rank in ranks
    fit(
        root,
        folder / rank,
        stop=2 if hurt else None,
        how=getattr(signal, how) if hurt else "raise",
        resume=find_checkpoint(str(folder / "0"), begins=True),
        saved=folder / "0",
        batch=2 * BATCH,
        devices=2,
        strategy=DDPStrategy(process_group_backend="gloo"),
        use_distributed_sampler=False,
        max_epochs=4,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
