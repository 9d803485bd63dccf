"""Weight files: catalog, download, safe loading, and selection of a model."""

from colorzoo.weights.catalog import (
    ResolvedWeights,
    WeightFile,
    cache_home,
    list_weights,
    resolve_weights,
    weights_path,
)
from colorzoo.weights.load import (
    apply_weights,
    load_state_dict_file,
    model_of_file,
    read_hparams,
    read_metadata,
    read_weights,
    save_weights,
)

__all__ = [
    "ResolvedWeights",
    "WeightFile",
    "apply_weights",
    "cache_home",
    "list_weights",
    "load_state_dict_file",
    "model_of_file",
    "read_hparams",
    "read_metadata",
    "read_weights",
    "resolve_weights",
    "save_weights",
    "weights_path",
]
