"""The examples in docstrings run and print the documented output."""

import doctest
import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo.testing import write_sample_images

# packages of the reference in which every function and class has an example
PACKAGES = sorted(
    {page.stem for page in (Path(__file__).parents[1] / "docs" / "api").glob("*.md")}
    - {"index", "card", "errors", "settings"}  # records, exceptions, types
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def names_of(package: str) -> dict[str, Any]:
    module = importlib.import_module(f"colorzoo.{package}" if package else "colorzoo")
    return {name: getattr(module, name) for name in module.__all__}


def examples_of(value: object) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(value) or "")


def documented(value: object) -> bool:
    """Return whether a value needs an example: not a constant, exception or protocol."""
    if inspect.isclass(value):
        return not (issubclass(value, Exception) or getattr(value, "_is_protocol", False))
    return inspect.isfunction(value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the files that the examples name."""
    Image.new("L", (48, 32), 120).save(tmp_path / "photo.png")
    write_sample_images(tmp_path / "album")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folder")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_docstring_examples_run(package: str) -> None:
    known = names_of("") | (names_of(package) if package else {})
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    said: list[str] = []
    elsewhere = [] if package else [value for each in PACKAGES for value in names_of(each).values()]
    for name, value in names_of(package).items():
        if not documented(value) or value in elsewhere or not (examples := examples_of(value)):
            continue
        torch.manual_seed(0)
        names = {**known, "torch": torch, "np": np, "Path": Path, "colorzoo": colorzoo}
        test = doctest.DocTest(examples, names, name, None, None, None)
        runner.run(test, out=said.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(said)
