"""The public names of colorzoo: to add or remove one, edit ``public_api.json`` too."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

import colorzoo
from colorzoo.registry import load_model_class, load_task_class, model_card

DOCS = Path(__file__).parent.parent / "docs"
# name -> the first parameters of the call, null for what is not called
INVENTORY = json.loads((Path(__file__).parent / "public_api.json").read_text())
DEFAULTS = Path(__file__).parent / "defaults.json"
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


def defaults() -> dict[str, str]:
    """Return the default arguments of all public names, of what configurations name, and of all papers."""
    more = ("training.schedules", "training.muon", "training.callbacks", "training.loggers")
    modules = [importlib.import_module(f"colorzoo.{name}") for name in (*PACKAGES, *more)]
    values = [getattr(module, name) for module in (colorzoo, *modules) for name in public_names(module)]
    for card in map(model_card, colorzoo.list_models()):
        values += [load_model_class(card), load_task_class(card)]
    found = {}
    for value in values:
        if not (inspect.isclass(value) or inspect.isfunction(value)) or "colorzoo" not in value.__module__:
            continue
        with suppress(ValueError):  # of a dictionary with fixed keys
            given = inspect.signature(value).parameters.items()
            words = [f"{name}={each.default!r}" for name, each in given if each.default is not each.empty]
            kept = (word for word in words if " at 0x" not in word and "<" not in word)
            found[f"{value.__module__}.{value.__qualname__}"] = ", ".join(kept)
    return {name: words for name, words in found.items() if words}


def public_names(module: ModuleType) -> list[str]:
    return getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"])


def test_no_default_changes_unnoticed() -> None:
    """Results of users depend on them; ``python tests/test_public_api.py`` writes the record again."""
    found, record = defaults(), json.loads(DEFAULTS.read_text())
    changed = {name: found.get(name) for name in found.keys() | record if found.get(name) != record.get(name)}
    assert changed == {}


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


if __name__ == "__main__":
    DEFAULTS.write_text(json.dumps(defaults(), indent=1, sort_keys=True) + "\n")
