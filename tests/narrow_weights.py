"""Checkpoints under the authors' names, an eighth as wide, so that tests stay fast."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from colorzoo.factory import build_model
from colorzoo.registry import load_model_class, model_card
from colorzoo.zoo.zhang2017.published import convert_published, convert_published_global
from pseudo_weights import pseudo_state_dict

GOLDEN = Path(__file__).parent / "golden"
_NAMES = {"zhang2017_local": convert_published, "zhang2017_global": convert_published_global}


def narrow_weights(name: str, golden: str) -> dict[str, np.ndarray]:
    """Return the tensors of a checkpoint.

    Args:
        name: Registered name of the model.
        golden: Name of the golden file that lists the authors' names.
    """
    shapes = json.loads(str(np.load(GOLDEN / f"{golden}.npz")["meta"]))["shapes"]
    ours = build_model(load_model_class(model_card(name)), {"width": 0.125}).state_dict()
    renamed = _NAMES[name]({key: torch.tensor(index) for index, key in enumerate(shapes)})
    narrow = {list(shapes)[int(index)]: tuple(ours[key].shape) for key, index in renamed.items()}
    return pseudo_state_dict(narrow, seed=3)
