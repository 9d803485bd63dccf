"""Atomic checkpoints on local file systems and in buckets."""

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
    """Write each local checkpoint to a temporary file in the same folder, then rename it.

    Lightning writes to the system's temporary folder. On another file system, fsspec copies the file to its
    target (`shutil.move`), and a process that is killed during the copy leaves a truncated checkpoint. In a
    bucket, an object appears when its upload is complete.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: The state of the training.
            path: The file, or a URL such as ``s3://bucket/run/last.ckpt``.
            storage_options: See `TorchCheckpointIO`; None.

        Raises:
            OSError: The file cannot be written; an existing file of that name is unchanged.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        remove_partial(Path(path).absolute().parent)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getbuffer())


class ShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy for sharded weights, with atomic checkpoints.

    A sharded checkpoint is a folder. The folder is written under a temporary name and then renamed; the
    previous checkpoint of its name is removed last.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; all processes must call this method.

        Args:
            checkpoint: The state of the training.
            filepath: The folder, or the file if ``save_distributed_checkpoint`` is false.
            storage_options: See `ModelParallelStrategy`; None.
        """
        if not self._save_distributed_checkpoint:
            super().save_checkpoint(checkpoint, filepath, storage_options)
            return
        path = Path(filepath)
        partial = self.broadcast(temporary_name(path))
        if self.is_global_zero:
            remove_partial(path.parent)
        super().save_checkpoint(checkpoint, partial, storage_options)
        self.barrier()
        if self.is_global_zero:
            replace_folder(partial, path)


def replace_folder(new: Path, path: Path) -> None:
    """Rename a complete folder to a path, and remove the previous content of the path.

    If the process is killed in between, the previous checkpoint is ``NAME-previous.ckpt`` in the folder of
    ``path``.

    Args:
        new: The complete folder, on the file system of ``path``.
        path: Path of a folder, of a file, or of nothing.
    """
    for file in new.iterdir():
        sync(file)
    sync(new)
    previous = path.with_stem(f"{path.stem}-previous")
    if is_complete(path):
        shutil.rmtree(previous, ignore_errors=True)
        path.rename(previous)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    new.rename(path)
    sync(path.parent)
    shutil.rmtree(previous, ignore_errors=True)


def remove_partial(folder: Path) -> None:
    """Remove the temporary files of killed processes; only one run may write to the folder."""
    for path in folder.glob(".*.tmp"):
        if not _TEMPORARY.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
