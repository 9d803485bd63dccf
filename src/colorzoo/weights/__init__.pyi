from .catalog import ResolvedWeights as ResolvedWeights
from .catalog import WeightFile as WeightFile
from .catalog import cache_home as cache_home
from .catalog import default_files as default_files
from .catalog import fetch as fetch
from .catalog import file_problem as file_problem
from .catalog import list_weights as list_weights
from .catalog import resolve_weights as resolve_weights
from .catalog import weight_file as weight_file
from .convert import convert_weights as convert_weights
from .load import UNTRAINED as UNTRAINED
from .load import StoredType as StoredType
from .load import apply_weights as apply_weights
from .load import model_of_file as model_of_file
from .load import read_weights as read_weights
from .load import save_weights as save_weights

__all__ = [
    "UNTRAINED",
    "ResolvedWeights",
    "StoredType",
    "WeightFile",
    "apply_weights",
    "cache_home",
    "convert_weights",
    "default_files",
    "fetch",
    "file_problem",
    "list_weights",
    "model_of_file",
    "read_weights",
    "resolve_weights",
    "save_weights",
    "weight_file",
]
