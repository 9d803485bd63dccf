"""The import rules of docs/architecture.md: left to right, and papers know nothing of each other."""

from pathlib import Path

import pytest

import colorzoo
from import_graph import Import, circles, inside, read_imports

ROOT = Path(colorzoo.__path__[0])
LIGHTNING = ("lightning", "pytorch_lightning", "lightning_fabric")
HEAVY = (*LIGHTNING, "torch", "torchvision", "torchmetrics", "kornia", "timm")

# Lowest first; what stands on one line must not import each other. See docs/architecture.md.
LAYERS = (
    "atomic environment lazy memory progress randomness",
    "errors",
    "card settings",
    "registry",
    "color",
    "guidance",
    "losses networks prediction",
    "capabilities",
    "weights",
    "model",
    "factory",
    "pictures",
    "data",
    "metrics",
    "simulation",
    "engines",
    "inference",
    "batch",
    "plots video",
    "evaluation studio",
    "training",
    "zoo",
    "api",
    "cli",
    "__main__ testing",
)
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names.split()}
MODELS = {"networks", "losses", "prediction", "capabilities", "model", "factory"}  # data knows no model
WITHOUT_LIGHTNING = set(FLOOR) - {"data", "training", "zoo", "testing", "cli"}
LIGHT = {"environment", "lazy", "progress", "errors", "card", "settings", "registry"}


def violations(root: Path) -> list[Import]:
    return [
        found
        for found in read_imports(root)
        if breaks_layers(found) or is_too_heavy(found) or breaks_zoo(found)
    ]


def breaks_layers(found: Import) -> bool:
    importer, imported = package_of(found.importer), package_of(found.name)
    if importer == imported or not {importer, imported} <= set(FLOOR):
        return False
    if importer == "data" and imported in MODELS:
        return True
    if imported == "zoo":  # reached by name only; these two scan its folders
        return found.name != "colorzoo.zoo" or importer not in ("registry", "testing")
    return FLOOR[imported] >= FLOOR[importer]


def package_of(module: str) -> str:
    """Return the package below ``colorzoo``, or nothing for the facade and for foreign modules."""
    top, *rest = module.split(".")
    return rest[0] if top == "colorzoo" and rest else ""


def is_too_heavy(found: Import) -> bool:
    package = package_of(found.importer)
    forbidden = HEAVY if package in LIGHT else LIGHTNING if package in WITHOUT_LIGHTNING else ()
    return bool(forbidden) and inside(found.name, *forbidden)


def breaks_zoo(found: Import) -> bool:
    if not inside(found.importer, "colorzoo.zoo") or found.importer == "colorzoo.zoo":
        return False
    folder, _, module = found.importer.removeprefix("colorzoo.zoo.").partition(".")
    if inside(found.name, "colorzoo.zoo") and found.name != "colorzoo.zoo":
        return not inside(found.name, f"colorzoo.zoo.{folder}")
    if module not in ("", "card"):
        return False
    # these two are imported to list models
    return inside(found.name, *HEAVY) or package_of(found.name) not in {*LIGHT, ""}


def test_the_package_keeps_its_import_rules() -> None:
    assert len(read_imports(ROOT)) > 20  # a wrong root would find nothing to complain about
    assert [str(found) for found in violations(ROOT)] == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("color/lab.py", "import lightning"),
        ("losses/smooth.py", "from lightning.pytorch import Trainer"),
        ("metrics/psnr.py", "from ..training import module"),
        ("guidance/__init__.py", "from .. import data"),
        ("networks/unet.py", "def f():\n    from colorzoo.inference import colorizer"),
        ("data/folder.py", "from colorzoo import networks"),
        ("training/module.py", "import colorzoo.cli.main"),
        ("cli/fit.py", "from colorzoo.zoo.one.task import Task"),
        ("evaluation/methods.py", "import colorzoo.zoo.one.task"),
        ("simulation/points.py", "from colorzoo.training import module"),
        ("color/lab.py", "from colorzoo.guidance import Points"),
        ("inference/colorizer.py", "import importlib\nimportlib.import_module('colorzoo.zoo.one')"),
        ("pictures/read.py", "from colorzoo.video.planes import to_rgb"),
        ("video/run.py", "import colorzoo.cli.colorize"),
        ("video/colorer.py", "from colorzoo.zoo.one import task"),
        ("zoo/one/network.py", "from ..two import network"),
        ("zoo/one/task.py", "import colorzoo.zoo.two.task"),
        ("zoo/one/card.py", "import torch.nn"),
        ("zoo/one/__init__.py", "from colorzoo.training import module"),
        ("card.py", "import kornia"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, line: str) -> None:
    plant(tmp_path, file, line)
    assert violations(tmp_path / "colorzoo")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (
            "zoo/one/task.py",
            "from .network import Net\nimport lightning\nfrom colorzoo.training import module",
        ),
        ("zoo/one/card.py", "from ...card import ModelCard"),
        ("metrics/psnr.py", "import torchmetrics\nfrom colorzoo.color import lab"),
        ("cli/models.py", "from colorzoo.registry import list_models"),
        ("registry.py", "import colorzoo.zoo"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, file: str, line: str) -> None:
    plant(tmp_path, file, line)
    assert violations(tmp_path / "colorzoo") == []


def plant(folder: Path, file: str, text: str) -> None:
    path = folder / "colorzoo" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_no_two_packages_import_each_other_for_their_types():
    found = read_imports(ROOT)
    pairs = {(package_of(each.importer), package_of(each.name)) for each in found}
    both = {tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1] and pair[::-1] in pairs}
    assert {pair for pair in both if all(pair)} <= {("registry", "zoo")}  # "" is the facade


def test_no_modules_import_each_other_inside_a_package_either(tmp_path: Path) -> None:
    assert circles(ROOT) == []
    plant(tmp_path, "video/one.py", "from colorzoo.video.two import second")
    (tmp_path / "colorzoo/video/two.py").write_text("def second():\n    from colorzoo.video import three\n")
    (tmp_path / "colorzoo/video/three.py").write_text("from .one import first")
    assert circles(tmp_path / "colorzoo") == [[f"colorzoo.video.{each}" for each in ("one", "three", "two")]]
