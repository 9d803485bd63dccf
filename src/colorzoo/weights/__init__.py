"""Weight files: catalog, download, safe loading, and selection of a model."""

from colorzoo.weights.catalog import (
    ResolvedWeights,
    WeightFile,
    cache_home,
    default_files,
    fetch,
    file_problem,
    list_weights,
    resolve_weights,
    weight_file,
    weights_path,
)
from colorzoo.weights.choice import USES, ModelChoice, all_defaults, choose_model, rank_models
from colorzoo.weights.load import (
    UNTRAINED,
    apply_weights,
    load_state_dict_file,
    model_of_file,
    read_hparams,
    read_metadata,
    read_weights,
    save_weights,
)

__all__ = [
    "UNTRAINED",
    "USES",
    "ModelChoice",
    "ResolvedWeights",
    "WeightFile",
    "all_defaults",
    "apply_weights",
    "cache_home",
    "choose_model",
    "default_files",
    "fetch",
    "file_problem",
    "list_weights",
    "load_state_dict_file",
    "model_of_file",
    "rank_models",
    "read_hparams",
    "read_metadata",
    "read_weights",
    "resolve_weights",
    "save_weights",
    "weight_file",
    "weights_path",
]
