"""Sharded checkpoints: folders to which each process writes its tensors (`torch.distributed.checkpoint`)."""

from __future__ import annotations

from pathlib import Path

RECORD = "meta.pt"  # Lightning writes this file after all shards; it contains all but weights and optimizer


def is_sharded(path: Path) -> bool:
    """Return whether a path is the folder of a sharded checkpoint, complete or not."""
    return (path / RECORD).is_file() or next(path.glob("__*.distcp"), None) is not None


def is_complete(folder: Path) -> bool:
    """Return whether a sharded checkpoint was written completely."""
    return (folder / RECORD).is_file()
