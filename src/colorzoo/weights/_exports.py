"""Public names of `colorzoo.weights`, which the package imports when they are used."""

from colorzoo.weights.convert import convert_weights as convert_weights
from colorzoo.weights.load import apply_weights as apply_weights
from colorzoo.weights.load import read_weights as read_weights
from colorzoo.weights.load import save_weights as save_weights
