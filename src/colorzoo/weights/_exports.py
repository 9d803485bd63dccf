"""Public names of `colorzoo.weights`, which the package imports when they are used."""

from colorzoo.weights.convert import convert_weights
from colorzoo.weights.load import apply_weights, read_weights, save_weights

__all__ = ["apply_weights", "convert_weights", "read_weights", "save_weights"]
