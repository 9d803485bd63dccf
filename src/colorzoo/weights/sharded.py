"""Sharded checkpoints: folders to which each process writes its tensors (`torch.distributed.checkpoint`)."""

from __future__ import annotations

from pathlib import Path

RECORD = "meta.pt"  # written last, by Lightning, after all shards: all but the weights and the optimizer


def is_sharded(path: Path) -> bool:
    """Return whether a path is the folder of a sharded checkpoint, complete or not."""
    return (path / RECORD).is_file() or next(path.glob("__*.distcp"), None) is not None


def is_complete(folder: Path) -> bool:
    """Return whether a sharded checkpoint was written to its end."""
    return (folder / RECORD).is_file()
