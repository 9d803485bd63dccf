"""Checkpoints under the authors' names, an eighth as wide, so that tests stay fast."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from colorzoo.factory import build_model
from colorzoo.registry import load_model_class, model_card
from pseudo_weights import pseudo_state_dict

GOLDEN = Path(__file__).parent / "golden"


def narrow_weights(name: str, golden: str) -> dict[str, np.ndarray]:
    """Return the tensors of a checkpoint.

    Args:
        name: Registered name of the model.
        golden: Name of the golden file that lists the authors' names.
    """
    shapes = json.loads(str(np.load(GOLDEN / f"{golden}.npz")["meta"]))["shapes"]
    model = build_model(load_model_class(model_card(name)), {"width": 0.125})
    ours = model.state_dict()
    renamed = model.convert_published({key: torch.tensor(index) for index, key in enumerate(shapes)})
    narrow = {list(shapes)[int(index)]: tuple(ours[key].shape) for key, index in renamed.items()}
    return pseudo_state_dict(narrow, seed=3)
