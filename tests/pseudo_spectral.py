"""Spectral-norm vectors of pseudo-weights, as in the golden files of DDColor and DeOldify."""

from collections.abc import Mapping

import numpy as np


def with_power_iterations(state: Mapping[str, np.ndarray], iterations: int = 1) -> dict[str, np.ndarray]:
    """Return a copy in which ``X_u`` and ``X_v`` of each ``X_orig`` went through some power iterations.

    After one iteration from a random start, the estimate is clearly below the true norm, so an
    implementation that computes the true norm fails.
    """
    moved = dict(state)
    for name in (key.removesuffix("_orig") for key in state if key.endswith("_orig")):
        matrix = state[f"{name}_orig"].reshape(len(state[f"{name}_orig"]), -1).astype(np.float64)
        u, v = (state[f"{name}_{vector}"].astype(np.float64) for vector in "uv")
        for _ in range(iterations):
            v = _unit(matrix.T @ u)
            u = _unit(matrix @ v)
        moved[f"{name}_u"], moved[f"{name}_v"] = u.astype(np.float32), v.astype(np.float32)
    return moved


def _unit(vector: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return scaled
