"""The steps of the static page in JavaScript against those of Python."""

import json
import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import step_vectors

NODE = shutil.which("node")
CHECKS = Path(__file__).with_name("steps.test.mjs")
WRITTEN = json.loads(step_vectors.FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return step_vectors.document()


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for name in sorted(value) for leaf in (name, *leaves(value[name]))]
    return [leaf for each in value for leaf in leaves(each)] if isinstance(value, list) else [value]


def test_the_file_is_what_python_computes(now: dict[str, Any]) -> None:
    """``python tests/studio/step_vectors.py`` writes it anew."""
    assert WRITTEN["constants"] == now["constants"]
    assert [vector["step"] for vector in WRITTEN["vectors"]] == [vector["step"] for vector in now["vectors"]]
    for old, new in zip(WRITTEN["vectors"], now["vectors"], strict=True):
        assert (old["within"], old["others"]) == (new["within"], new["others"])
        assert_close(old["given"], new["given"], 0.11, 0.002)  # a digit may be rounded either way
        assert_close(old["expected"], new["expected"], max(old["within"], 1e-3), max(old["others"], 0.002))


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def assert_close(old: Any, new: Any, within: float, others: float) -> None:
    one, other = leaves(old), leaves(new)
    assert list(filter(is_text, one)) == list(filter(is_text, other))
    found, wanted = (
        np.array([each for each in all_ if not is_text(each)], np.float64) for all_ in (one, other)
    )
    assert found.shape == wanted.shape
    assert (np.abs(found - wanted) > within).sum() <= others * found.size


def test_the_vectors_reach_what_they_are_for() -> None:
    """Reaches end within the map, strengths and likeness change something, overlays color."""
    expected = {vector["step"]: vector["expected"] for vector in WRITTEN["vectors"]}
    given = {vector["step"]: vector["given"] for vector in WRITTEN["vectors"]}
    weight, nearest, homes = map(np.array, expected["reach.limitExtent"])
    assert weight.min() < 0.1
    assert weight.max() == 1
    assert set(nearest) == {0, 1, 2}
    assert set(homes) == {-1, 0, 1, 2}
    alike = np.array(expected["reach.limitExtent with likeness"][0])
    assert np.abs(alike - weight).max() > 0.3
    for step in ("strengths.weakenPoints", "points.limitReach"):
        for which in ("ab", "base"):
            assert np.abs(np.array(expected[step]) - given[step][which]).max() > 5
    levels = [np.array(expected[f"full_size.Joiner with {name}"]) for name in ("points", "overlays")]
    assert (levels[0] != levels[1]).mean() > 0.05
    assert expected["reach.startingReach of a surface"] == "automatic"
    assert isinstance(expected["reach.startingReach of a thing"], float)


@pytest.mark.skipif(NODE is None, reason="missing, not passed: node (apt-get install nodejs)")
def test_javascript_computes_the_same() -> None:
    assert NODE is not None
    command = [NODE, "--test", "--test-reporter=tap", str(CHECKS)]
    env = {**os.environ, "COLORZOO_STATIC": str(files("colorzoo.studio") / "static")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=env)
    assert done.returncode == 0, done.stdout
    assert f"# pass {len(WRITTEN['vectors'])}" in done.stdout
