"""Checkpoints that are written whole or not at all, on any file system."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.strategies import ModelParallelStrategy

from colorzoo.atomic import sync, temporary_name, write_atomic
from colorzoo.weights.sharded import is_complete

_TEMPORARY = re.compile(r"\..*\.ckpt\.[0-9a-f]{32}\.tmp")


class CheckpointFile(TorchCheckpointIO):
    """Write each local checkpoint beside its target, and rename it when it is on the disk.

    Lightning writes to the folder for temporary files first. If that is on another file system, fsspec copies
    the file to its target (`shutil.move`), and a process that is killed meanwhile leaves a truncated
    checkpoint. In a bucket an object appears when its upload is complete.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: The state of the training.
            path: The file, or an address such as ``s3://bucket/run/last.ckpt``.
            storage_options: See `TorchCheckpointIO`; None.

        Raises:
            OSError: The file cannot be written; an earlier file of that name stays as it was.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        remove_partial(Path(path).absolute().parent)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getbuffer())


class ShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy for sharded weights, with checkpoints that are written whole or not at all.

    A sharded checkpoint is a folder. It is written under another name; the earlier one of its name is removed
    after the new one is in its place.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; all processes must call this.

        Args:
            checkpoint: The state of the training.
            filepath: The folder, or the file of a strategy with ``save_distributed_checkpoint: false``.
            storage_options: See `ModelParallelStrategy`; None.
        """
        if not self._save_distributed_checkpoint:
            super().save_checkpoint(checkpoint, filepath, storage_options)
            return
        path = Path(filepath)
        partial = self.broadcast(temporary_name(path))  # the name of the first process
        if self.is_global_zero:
            remove_partial(path.parent)
        super().save_checkpoint(checkpoint, partial, storage_options)
        self.barrier()
        if self.is_global_zero:
            replace_folder(partial, path)


def replace_folder(new: Path, path: Path) -> None:
    """Move a complete folder to the place of another one.

    If the process is killed meanwhile, ``NAME-previous.ckpt`` beside the path is the earlier checkpoint.

    Args:
        new: The new folder, on the same file system.
        path: The path, of a folder, a file or nothing.
    """
    for file in new.iterdir():
        sync(file)
    sync(new)
    earlier = path.with_stem(f"{path.stem}-previous")
    if is_complete(path):
        shutil.rmtree(earlier, ignore_errors=True)
        path.rename(earlier)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    new.rename(path)
    sync(path.parent)
    shutil.rmtree(earlier, ignore_errors=True)


def remove_partial(folder: Path) -> None:
    """Remove what a killed process has left of checkpoints in a folder; a single run must write there."""
    for path in folder.glob(".*.tmp"):
        if not _TEMPORARY.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
