"""Training process for torchrun, one of two, that is interrupted in its first start."""

import os
import signal
import sys
from pathlib import Path

import torch
from harness import BATCH, fit
from lightning.pytorch.strategies import DDPStrategy

from colorzoo.training.arguments import find_checkpoint


def main(root: Path, folder: Path, how: str, ranks: str) -> None:
    """Train as one of two processes; those in ``ranks`` send themselves the signal ``how``."""
    torch.set_num_threads(1)
    rank = os.environ["RANK"]
    interrupted = bool(how) and rank in ranks
    fit(
        root,
        folder / rank,
        stop=2 if interrupted else None,
        how=getattr(signal, how) if interrupted else "raise",
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
