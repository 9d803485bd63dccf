"""Atomic checkpoints on local file systems and in buckets."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from colorzoo.atomic import remove_leftovers, write_atomic


class CheckpointFile(TorchCheckpointIO):
    """Checkpoint plugin that writes a temporary file in the same folder, then renames it.

    Lightning writes to the system's temporary folder. On another file system, fsspec copies the file to its
    target (`shutil.move`), and a process that is killed during the copy leaves a truncated checkpoint.
    Uploads to a bucket are atomic already.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: The state of the training.
            path: The file, or a URL such as ``s3://bucket/run/last.ckpt``.
            storage_options: Must be None; see `TorchCheckpointIO`.

        Raises:
            OSError: The file cannot be written; an existing file with this name is unchanged.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        remove_leftovers(Path(path).absolute().parent, age=0)  # only one run writes to the folder
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getbuffer())
