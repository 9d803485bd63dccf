"""Default callbacks of ``colorzoo fit``: checkpoints, checks, records and example grids."""

from colorzoo.training.callbacks.averaging import GrowingWeightAveraging, WeightEMA
from colorzoo.training.callbacks.checkpoints import LastCheckpoint
from colorzoo.training.callbacks.image_grid import ImageGrid

__all__ = [
    "GrowingWeightAveraging",
    "ImageGrid",
    "LastCheckpoint",
    "WeightEMA",
]
