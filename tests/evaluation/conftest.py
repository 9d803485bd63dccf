"""A folder of generated images, a small protocol, and a tiny model to evaluate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from colorzoo.evaluation import Outcome
from colorzoo.evaluation.protocol import parse_protocol
from tiny_evaluation import PROTOCOL, Plan, write_image
from tiny_model import NAME, write_tiny_weights


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """Return a folder of four images."""
    for index in range(4):
        write_image(tmp_path / "photos" / f"{index}.png", index)
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture
def plan(image_folder: Path, tmp_path: Path, tiny_weights: Path) -> Plan:
    """Return a plan for the tiny model, the gray images and the ground truth."""
    return Plan(
        models={NAME: tiny_weights, "gray": None, "truth": None},
        data=image_folder,
        output=tmp_path / "report",
        protocol=parse_protocol(PROTOCOL, "tiny"),
    )


@pytest.fixture
def run(plan: Plan) -> Callable[..., Outcome]:
    """Return a function that evaluates the plan with changed fields."""
    return lambda **changes: replace(plan, **changes).run()
