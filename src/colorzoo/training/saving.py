"""Atomic checkpoints on local file systems and in buckets."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from colorzoo.files import remove_leftovers, write_atomic


class CheckpointFile(TorchCheckpointIO):
    """Checkpoint plugin that writes checkpoints atomically.

    Lightning moves checkpoints from the system's temporary folder. If this folder is on another file system,
    a process killed during the move leaves a truncated checkpoint. The plugin writes the temporary file to
    the target folder and renames it. Uploads to a bucket are already atomic.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: Content of the checkpoint.
            path: A file, or a URL such as ``s3://bucket/run/last.ckpt``.
            storage_options: Must be None; see `TorchCheckpointIO`.

        Raises:
            OSError: The file cannot be written; an existing file is unchanged.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        # only one run writes to the folder, so a temporary file of any age is from a killed process
        remove_leftovers(Path(path).absolute().parent, age=0)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getbuffer())
