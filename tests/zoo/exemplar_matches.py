"""Check of the ``match`` of exemplar models."""

from __future__ import annotations

from typing import Any

import torch

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.testing import sample_image


def check_match_of_itself(task: Any, size: tuple[int, int]) -> None:
    """Check that the match of an image with itself as the reference is the position of each pixel.

    Args:
        task: Task of an exemplar model, whose weights and temperature are changed.
        size: Height and width of the image.
    """
    task.model.correspondence.phi.load_state_dict(task.model.correspondence.theta.state_dict())
    task.model.tau = 1e-10
    height, width = size
    rgb = sample_image(size, seed=1)
    source = task(rgb_to_lab(rgb)[:, :1], Guidance(exemplar=Exemplar(rgb))).extras["match"]
    columns, rows = ((torch.arange(length) + 0.5) / length for length in (width, height))
    assert (source[0, 0] - columns).abs().median() < 2.5 / width
    assert (source[0, 1] - rows[:, None]).abs().median() < 2.5 / height
