"""Data: DataModules whose workers only decode, and whose batches all have one form."""

from colorzoo.data.dataset import Batch
from colorzoo.data.folder import FolderDataModule

__all__ = ["Batch", "FolderDataModule"]
