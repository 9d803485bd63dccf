"""Data: DataModules whose workers only decode, and whose batches all have one form."""

from colorzoo.data.coco_stuff import CocoStuffDataModule
from colorzoo.data.dataset import Batch
from colorzoo.data.folder import FolderDataModule
from colorzoo.data.imagenet import ImageNetDataModule
from colorzoo.data.module import PictureDataModule
from colorzoo.data.places import PlacesDataModule

__all__ = [
    "Batch",
    "CocoStuffDataModule",
    "FolderDataModule",
    "ImageNetDataModule",
    "PictureDataModule",
    "PlacesDataModule",
]
