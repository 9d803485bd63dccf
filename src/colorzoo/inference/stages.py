"""Processing stages: their records, and a cache whose keys are derived from the inputs of a stage."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, is_dataclass
from hashlib import blake2b
from itertools import count
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

T = TypeVar("T")
_PLAIN = (str, bytes, int, float, bool, type(None))
_lock, _numbers = threading.Lock(), count()
_tokens: dict[int, tuple[weakref.ref[Any], Hashable]] = {}  # by the `id` of a living object


@dataclass(frozen=True)
class StageRun:
    """Record of one processing stage, which the option ``--explain`` prints.

    Attributes:
        name: Name of the stage.
        about: Description of the input, such as its size; may be empty.
        seconds: Duration; 0 for a cached result.
        cached: Whether the result came from the cache.
    """

    name: str
    about: str = ""
    seconds: float = 0.0
    cached: bool = False


def timed(log: list[StageRun], stage: Callable[..., T], *inputs: Any, about: str = "", **settings: Any) -> T:
    """Run a stage and append its record to a log.

    Args:
        log: Records of the stages that ran before.
        stage: Function to run.
        *inputs: Positional arguments of the function.
        about: Description of the input for the record.
        **settings: Keyword arguments of the function.
    """
    started = time.perf_counter()
    result = stage(*inputs, **settings)
    log.append(StageRun(stage_name(stage), about, time.perf_counter() - started))
    return result


def stage_name(stage: Callable[..., Any]) -> str:
    """Return the name of a stage in records, such as ``run network``."""
    return stage.__name__.replace("_", " ")


def fingerprint(value: Any) -> Hashable:
    """Return a key that is equal for equal inputs of a stage.

    Numbers, texts, containers, dataclasses, and tensors and arrays of a caller are compared by content.
    Results of other stages (see `register_result`), models and other objects are compared by identity: a
    cached result is the same object, and stages do not change their inputs in place. The key of a result
    therefore covers the inputs of all earlier stages.

    Examples:
        >>> fingerprint({"size": 2, "color": "#c04020"}) == fingerprint({"color": "#c04020", "size": 2})
        True
        >>> fingerprint(torch.ones(2)) == fingerprint(torch.ones(2))
        True

    Args:
        value: Input of a stage.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple | list):
        return tuple(map(fingerprint, value))
    if type(value) is dict:
        return frozenset((key, fingerprint(item)) for key, item in value.items())
    if is_dataclass(value) and not isinstance(value, type):
        parts = (getattr(value, each.name) for each in fields(value) if each.compare)
        return type(value), *map(fingerprint, parts)
    try:
        return _token(value)
    except TypeError:  # the object does not support weak references, such as a torch.device
        hash(value)
        return value


def register_result(value: Any) -> None:
    """Compare the tensors and arrays in the result of a stage by identity, which needs no time."""
    if isinstance(value, Tensor | np.ndarray):
        _token(value, is_result=True)
    elif isinstance(value, tuple | list):
        for item in value:
            register_result(item)
    elif type(value) is dict:
        register_result(list(value.values()))
    elif is_dataclass(value) and not isinstance(value, type):
        register_result([getattr(value, each.name) for each in fields(value)])


def _token(value: Any, *, is_result: bool = False) -> Hashable:
    """Return the key of an object, which is stored while the object exists."""
    identity = id(value)
    with _lock:
        reference, token = _tokens.get(identity, (None, None))
        if reference is None or reference() is not value:
            if isinstance(value, Tensor | np.ndarray) and not is_result:
                token = _content_of(value)
            else:
                token = "object", next(_numbers)
            _tokens[identity] = weakref.ref(value, lambda _: _tokens.pop(identity, None)), token
    return token


def _content_of(value: Tensor | NDArray[Any]) -> Hashable:
    array = value.detach().float().cpu().numpy() if isinstance(value, Tensor) else value
    digest = blake2b(np.ascontiguousarray(array).data, digest_size=16).digest()
    return str(value.dtype), tuple(value.shape), digest
