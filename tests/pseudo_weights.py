"""Deterministic pseudo-random weights, so that two implementations of one network can be compared.

A golden file contains the outputs of a paper's published implementation whose parameters were
filled by `pseudo_state_dict`; the same call fills this project's network (through its converter
from the published key names), and the two outputs must agree.

Only numpy is needed. The values depend on the key, the shape and the seed, and on nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np


def pseudo_tensor(key: str, shape: tuple[int, ...], seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Return the float32 array of `shape` for the parameter or buffer named `key`.

    Weights with two or more axes are normal with variance 2 / fan_in (fan_in: the product of all
    axes but the first). `running_var` and one-dimensional `.weight` (normalisation scales) are
    uniform in [0.5, 1.5]. Every other one-dimensional tensor is normal with deviation 0.1.
    """
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, dtype=np.int64)
    if len(shape) >= 2:
        fan_in = int(np.prod(shape[1:]))
        value = rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)
    elif key.endswith(("running_var", ".weight")):
        value = rng.uniform(0.5, 1.5, shape)
    else:
        value = rng.standard_normal(shape) * 0.1
    return (value * scale).astype(np.float32)


def pseudo_state_dict(
    shapes: Mapping[str, tuple[int, ...]], seed: int = 0, scales: Mapping[str, float] | None = None
) -> dict[str, np.ndarray]:
    """Return a value for every key of `shapes`; `scales` multiplies the keys it names exactly."""
    scales = scales or {}
    return {
        key: pseudo_tensor(key, tuple(shape), seed, scales.get(key, 1.0)) for key, shape in shapes.items()
    }
