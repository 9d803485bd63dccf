"""The examples in docstrings run and print the documented output."""

import doctest
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo.testing import write_sample_images

ROOT = Path(colorzoo.__path__[0])
# packages and modules with examples, which use the names in the modules of their package
PACKAGES = sorted(
    {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    - {
        "__init__",
        "__main__",
        "_exports",
        "_lazy",
        "_machine",
        "abilities",
        "apps",
        "errors",
        "options",
        "zoo",
    }
)
PAGES = Path(__file__).parents[1] / "docs" / "api"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules_of(package: str) -> list[ModuleType]:
    paths = [ROOT / f"{package}.py", *sorted((ROOT / package).rglob("*.py"))]
    parts = [path.relative_to(ROOT.parent).with_suffix("").parts for path in paths if path.is_file()]
    return [importlib.import_module(".".join(each).removesuffix(".__init__")) for each in parts]


def examples_of(value: object) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(value) or "")


def is_documented(name: str, value: object, module: ModuleType) -> bool:
    """Return whether a name is a public class or function that a module defines."""
    is_public = name[0] != "_" and getattr(value, "__module__", "") == module.__name__
    return is_public and (inspect.isclass(value) or inspect.isfunction(value))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the files that the examples name."""
    Image.new("L", (48, 32), 120).save(tmp_path / "photo.png")
    write_sample_images(tmp_path / "album")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folder")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", PACKAGES)
def test_docstring_examples_run(package: str) -> None:
    modules = modules_of(package)
    known = {name: value for module in modules for name, value in vars(module).items() if name[0] != "_"}
    known |= {name: getattr(colorzoo, name) for name in colorzoo.__all__}
    promised = {}
    if (PAGES / f"{package}.md").is_file():
        page = importlib.import_module(f"colorzoo.{package}")
        promised = {name: getattr(page, name) for name in page.__all__}
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    said: list[str] = []
    for module in modules:
        for name, value in vars(module).items():
            if not is_documented(name, value, module) or not (examples := examples_of(value)):
                continue
            torch.manual_seed(0)
            # docs/api/index.md lists what the examples on a page assume
            imported = promised if promised.get(name) is value else known
            names = {**imported, "torch": torch, "np": np, "Path": Path, "colorzoo": colorzoo}
            test = doctest.DocTest(examples, names, name, None, None, None)
            runner.run(test, out=said.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(said)
