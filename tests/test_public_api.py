"""Public names of colorzoo; ``public_api.json`` must list added and removed names."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import colorzoo

# name -> first parameters of the call; null for names that are not callable
INVENTORY = json.loads((Path(__file__).parent / "public_api.json").read_text())
HEAVY = {"torch", "lightning", "kornia", "torchmetrics", "numpy", "PIL"}


def test_public_api_inventory_is_complete() -> None:
    assert sorted(colorzoo.__all__) == sorted(INVENTORY)
    assert set(INVENTORY) - {"__version__"} <= set(dir(colorzoo))


def test_stubs_export_the_names_of_their_packages() -> None:
    root = Path(colorzoo.__file__).parent
    for stub in root.rglob("__init__.pyi"):
        package = importlib.import_module(".".join(("colorzoo", *stub.parent.relative_to(root).parts)))
        exported = ast.literal_eval(stub.read_text().partition("__all__ = ")[2])
        assert sorted(exported) == sorted(package.__all__)


def test_public_names_are_documented_and_have_the_expected_parameters() -> None:
    for name, expected in INVENTORY.items():
        if expected is not None:
            value = getattr(colorzoo, name)
            constructor = value.__init__ if inspect.isclass(value) else None
            names = [*inspect.signature(constructor or value).parameters][constructor is not None :]
            assert names[: len(expected)] == expected
            assert inspect.getdoc(value)


def test_importing_and_listing_models_imports_no_heavy_packages() -> None:
    code = (
        "import sys, colorzoo; colorzoo.list_models(); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(done.stdout.split())
