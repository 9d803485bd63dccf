"""Data: DataModules whose workers only decode, and whose batches all have one form."""

from colorzoo.data.dataset import Batch
from colorzoo.data.exemplar import ExemplarPairsDataModule
from colorzoo.data.folder import FolderDataModule
from colorzoo.data.frames import FramesDataModule
from colorzoo.data.sketch import SketchDataModule
from colorzoo.data.streaming import StreamingDataModule

__all__ = [
    "Batch",
    "ExemplarPairsDataModule",
    "FolderDataModule",
    "FramesDataModule",
    "SketchDataModule",
    "StreamingDataModule",
]
