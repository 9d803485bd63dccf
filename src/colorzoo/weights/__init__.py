"""Weights: what the cards know, fetching, safe loading and saving. Nothing here imports torch by itself."""

from colorzoo.weights.apply import ResolvedWeights, apply_weights, resolve_weights
from colorzoo.weights.catalog import WeightFile, cache_home, list_weights, weights_path
from colorzoo.weights.download import fetch, is_offline
from colorzoo.weights.load import (
    load_state_dict_file,
    model_of_file,
    read_hparams,
    read_metadata,
    save_weights,
)

__all__ = [
    "ResolvedWeights",
    "WeightFile",
    "apply_weights",
    "cache_home",
    "fetch",
    "is_offline",
    "list_weights",
    "load_state_dict_file",
    "model_of_file",
    "read_hparams",
    "read_metadata",
    "resolve_weights",
    "save_weights",
    "weights_path",
]
