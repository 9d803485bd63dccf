"""Lightning DataModules that produce `Batch` dictionaries."""

from colorzoo.data.coco_stuff import CocoStuffDataModule
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.data.exemplar_pairs import ExemplarPairsDataModule
from colorzoo.data.folder import FolderDataModule
from colorzoo.data.image_table import ImageTable
from colorzoo.data.imagenet import ImageNetDataModule
from colorzoo.data.module import ImageDataModule
from colorzoo.data.places import PlacesDataModule
from colorzoo.data.sketch import SketchDataModule
from colorzoo.data.sources import find_sources
from colorzoo.data.streaming import StreamingDataModule

__all__ = [
    "Batch",
    "CocoStuffDataModule",
    "ExemplarPairsDataModule",
    "FolderDataModule",
    "ImageDataModule",
    "ImageNetDataModule",
    "ImageTable",
    "PlacesDataModule",
    "SketchDataModule",
    "StreamingDataModule",
    "find_sources",
    "sketches_of",
]
