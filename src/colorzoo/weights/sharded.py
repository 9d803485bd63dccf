"""Sharded checkpoints: folders to which each process writes its tensors (`torch.distributed.checkpoint`)."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

METADATA = ".metadata"  # written after all shards: the places of all tensors
RECORD = "meta.pt"  # written last, by Lightning: all but the weights and the optimizer
_PREFIX = "state_dict."
_TYPES = {
    "torch.distributed.checkpoint.metadata": {
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch.serialization": {"_get_layout"},
    "pathlib": {"Path", "PosixPath", "WindowsPath"},
}
"""All that `METADATA` consists of, by module, besides ``torch.Size`` and ``torch``'s types of numbers."""


def is_sharded(path: Path) -> bool:
    """Return whether a path is the folder of a sharded checkpoint, complete or not."""
    return (path / RECORD).is_file() or next(path.glob("__*.distcp"), None) is not None


def is_complete(folder: Path) -> bool:
    """Return whether all tensors that a sharded checkpoint lists are there."""
    try:
        places = read_metadata(folder).storage_data.values()
        ends = [(folder / each.relative_path, each.offset + each.length) for each in places]
        return (folder / RECORD).is_file() and all(path.stat().st_size >= end for path, end in ends)
    except Exception:  # by the damage: OSError, EOFError, AttributeError, UnpicklingError ...
        return False


def read_metadata(folder: Path) -> Any:
    """Return the list of the tensors of a sharded checkpoint; no code in its pickle is run.

    Raises:
        OSError: The list is missing.
        pickle.UnpicklingError: It is damaged, or requires other than torch's classes for it.
    """
    with (folder / METADATA).open("rb") as file:
        return _Unpickler(file).load()


def read_state_dict(folder: Path) -> dict[str, Any]:
    """Return the weights of a sharded checkpoint on the CPU, joined from all shards.

    Raises:
        OSError: A file is missing.
        pickle.UnpicklingError: The list of the tensors is damaged.
    """
    import torch
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata
    from torch.distributed.checkpoint.state_dict_loader import load

    listed = read_metadata(folder).state_dict_metadata
    tensors: dict[str, Any] = {
        name: torch.empty(entry.size, dtype=entry.properties.dtype)
        for name, entry in listed.items()
        if name.startswith(_PREFIX) and isinstance(entry, TensorStorageMetadata)
    }
    load(tensors, checkpoint_id=folder, no_dist=True)
    return {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}


class _Unpickler(pickle.Unpickler):
    """Unpickler of `METADATA` that refuses anything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a type of the list."""
        import torch

        number = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if number or (module, name) == ("torch", "Size") or name in _TYPES.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} does not belong in the list of a sharded checkpoint")
