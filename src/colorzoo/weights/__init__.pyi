from .convert import convert_weights as convert_weights
from .load import apply_weights as apply_weights
from .load import read_weights as read_weights
from .load import save_weights as save_weights

__all__ = [
    "apply_weights",
    "convert_weights",
    "read_weights",
    "save_weights",
]
