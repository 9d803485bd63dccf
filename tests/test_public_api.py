"""The public names of colorzoo: to add or remove one, edit ``public_api.json`` too."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import colorzoo

DOCS = Path(__file__).parent.parent / "docs"
# name -> the first parameters of the call, null for what is not called
INVENTORY = json.loads((Path(__file__).parent / "public_api.json").read_text())
HEAVY = {"torch", "lightning", "kornia", "torchmetrics", "numpy", "PIL"}


def test_the_inventory_is_complete() -> None:
    assert sorted(colorzoo.__all__) == sorted(INVENTORY)
    assert set(INVENTORY) <= set(dir(colorzoo))


@pytest.mark.parametrize("name", [name for name, parameters in INVENTORY.items() if parameters is not None])
def test_a_public_name_takes_its_parameters_and_is_documented(name: str) -> None:
    value = getattr(colorzoo, name)
    expected = INVENTORY[name]
    assert list(inspect.signature(value).parameters)[: len(expected)] == expected
    assert inspect.getdoc(value)


def test_the_version_is_a_version() -> None:
    assert colorzoo.__version__[0].isdigit()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = colorzoo.no_such_name


def test_importing_and_listing_import_nothing_heavy() -> None:
    code = (
        "import sys, colorzoo; colorzoo.list_models(); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(done.stdout.split())


PACKAGES = [page.stem for page in sorted((DOCS / "api").glob("*.md")) if page.stem != "index"]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_names_of_a_page_exist_and_are_documented(package: str) -> None:
    module = importlib.import_module(f"colorzoo.{package}")
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name


def test_manuals_import_stable_names_only() -> None:
    pages = [DOCS.parent / "README.md", *DOCS.glob("*.md"), *DOCS.parent.glob("src/colorzoo/zoo/*/README.md")]
    stable = {f"colorzoo.{package}" for package in PACKAGES} | {"colorzoo", "colorzoo.studio"}
    for page in pages:
        for text in re.findall(r"^```python[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "colorzoo":
                    assert node.module in stable, f"{page.name}: {node.module}"
                    names = {alias.name for alias in node.names}
                    module = importlib.import_module(node.module)
                    assert names <= {*module.__all__, *PACKAGES}, f"{page.name}: {names}"
