"""Files of ``torch.save``: unwrapped by their structure, never by model.

==========================================================  =================================================
content of the file                                         state dict
==========================================================  =================================================
tensors by name                                             the same
a Lightning checkpoint                                      its ``state_dict``, unchanged
``{"params": {...}}`` or another of `WRAPPERS`              the content of the first wrapper found
``{"encoder": {...}, "decoder": {...}, "optimizer": ...}``  ``encoder.KEY`` and ``decoder.KEY``
names that all begin with ``module.``                       the same without that prefix
==========================================================  =================================================

Arguments, epochs, optimizers and gradient scalers are ignored.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.errors import WeightsError, first_words
from colorzoo.weights.readers import EXPECTED, Reader, WeightContent, begins_with
from colorzoo.weights.readers.safetensors import is_safetensors

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("params_ema", "params", "model", "state_dict")
"""Names under which a state dict is saved; the first one found is taken, so averages before the last step."""

_DATA_PARALLEL = "module."  # prefix that DataParallel puts before every name
_MAX_DEPTH = 3  # wrappers in wrappers; a pickle may contain itself
_SAFE_GLOBALS_LOCK = threading.Lock()


def unwrap(content: object) -> dict[str, Tensor] | None:
    """Return the tensors by name in the content of a PyTorch file; None if it has none."""
    if isinstance(content, Mapping) and "pytorch-lightning_version" in content:
        inner: Any = content.get("state_dict")
        return dict(inner) if _is_state_dict(inner) else None
    return _unwrap(content, _MAX_DEPTH)


def _unwrap(content: object, depth: int) -> dict[str, Tensor] | None:
    if _is_state_dict(content):
        return _without_prefix(content)
    if not isinstance(content, Mapping) or not depth:
        return None
    for name in WRAPPERS:
        if (inner := _unwrap(content.get(name), depth - 1)) is not None:
            return inner
    parts = {
        f"{part}.{name}": tensor
        for part, inner in content.items()
        if isinstance(part, str) and _is_state_dict(inner)
        for name, tensor in _without_prefix(inner).items()
    }
    return parts or None


def _is_state_dict(content: object) -> bool:
    import torch

    if not isinstance(content, Mapping) or not content:
        return False
    return all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items())


def _without_prefix(state_dict: Any) -> dict[str, Tensor]:
    if all(name.startswith(_DATA_PARALLEL) for name in state_dict):
        return {name.removeprefix(_DATA_PARALLEL): tensor for name, tensor in state_dict.items()}
    return dict(state_dict)


def stored_in_checkpoint(content: object) -> dict[str, Any]:
    """Return ``hparams`` and ``provenance`` of the content of a checkpoint, unparsed."""
    if not isinstance(content, Mapping):
        return {}
    stored = {"hparams": content.get("hyper_parameters"), "provenance": content.get("provenance")}
    return {name: value for name, value in stored.items() if isinstance(value, Mapping)}


class _Forgotten:
    """Replacement of an `argparse.Namespace` saved beside weights; discards its content."""

    def __setstate__(self, state: object) -> None:
        """Discard the content."""


def load_torch(path: Path, trust_pickle: bool) -> Any:
    """Load a pickle or archive of torch; raise `WeightsError` if it is damaged or could run code."""
    import torch

    try:
        with warnings.catch_warnings():  # torch warns of old pickles that it reads well
            warnings.simplefilter("ignore")
            # torch has one list of safe classes for all threads
            safe = torch.serialization.safe_globals([(_Forgotten, "argparse.Namespace")])
            with (
                _SAFE_GLOBALS_LOCK,
                safe,
                path.open("rb") as file,
            ):  # given a path, torch goes by its extension
                return torch.load(file, map_location="cpu", weights_only=not trust_pickle)
    except Exception as error:  # by the damage: OSError, RuntimeError, EOFError, KeyError, UnpicklingError...
        raise WeightsError(_why_unreadable(path, error)) from error


def _why_unreadable(path: Path, error: Exception) -> str:
    text = str(error)
    if "TorchScript" in text:
        return f"{path} is a TorchScript archive, which is a program; {EXPECTED}"
    # Not by the type of the error: torch raises the same one for a damaged pickle.
    if unsafe := re.search(r"GLOBAL (\S+)", text):
        return (
            f"{path} is refused: it is a pickle that can run any code when loaded (it requires {unsafe[1]}); "
            f"{EXPECTED}; if you trust its author, load it with trust_pickle=True"
        )
    reason = first_words(error)
    return f"{path} is truncated, damaged or no PyTorch file ({reason}); {EXPECTED}"


def _describe(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    names = ", ".join(map(str, list(content)[:5]))
    return f"a dict of {names}{', ...' if len(content) > 5 else ''}" if content else "an empty dict"


def _matches(path: Path) -> bool:
    # the length in safetensors may begin like a pickle
    return begins_with(path, (b"PK\x03\x04", b"\x80")) and not is_safetensors(path)


def _read(path: Path, trust_pickle: bool) -> WeightContent:
    content = load_torch(path, trust_pickle)
    state_dict = unwrap(content)
    if state_dict is None:
        tail = ", not tensors by name" if isinstance(content, Mapping) and content else ""
        raise WeightsError(f"{path} holds {_describe(content)}{tail}; {EXPECTED}")
    return WeightContent(path, state_dict, stored_in_checkpoint(content))


def _stored(path: Path) -> Mapping[str, Any]:
    return stored_in_checkpoint(load_torch(path, trust_pickle=False))


READER = Reader(_matches, _read, _stored)
