"""The import rules of docs/architecture.md: left to right, and papers know nothing of each other."""

from pathlib import Path

import pytest

import colorzoo
from import_graph import Import, inside, read_imports

ROOT = Path(colorzoo.__path__[0])
LIGHTNING = ("lightning", "pytorch_lightning", "lightning_fabric")
HEAVY = (*LIGHTNING, "torch", "torchvision", "torchmetrics", "kornia", "timm")


def ours(*names: str) -> tuple[str, ...]:
    return tuple(f"colorzoo.{name}" for name in names)


# Who, and what they must not import, neither at the top nor lazily.
USERS = ours("inference", "video", "evaluation", "studio", "cli")
FORBIDDEN = {
    ours("color", "guidance", "networks", "losses", "metrics", "users"): (
        *LIGHTNING,
        *ours("zoo", "tasks", "data", "callbacks", "testing"),
        *USERS,
    ),
    ours("data"): (*ours("zoo", "networks", "tasks", "losses"), *USERS),
    ours("tasks", "zoo", "callbacks"): USERS,
    USERS: ours("zoo"),  # models are reached by name, through the registry
    ours("inference"): ours("video", "cli"),
    ours("video"): ours("cli"),
    ours("card", "errors", "registry"): HEAVY,
}


def violations(root: Path) -> list[Import]:
    return [found for found in read_imports(root) if breaks_layers(found) or breaks_zoo(found)]


def breaks_layers(found: Import) -> bool:
    return any(
        inside(found.importer, *who) and inside(found.name, *what) and not may_scan_cards(found)
        for who, what in FORBIDDEN.items()
    )


def may_scan_cards(found: Import) -> bool:
    """The registry alone names the zoo, to scan it."""
    return found.importer == "colorzoo.registry" and found.name == "colorzoo.zoo"


def breaks_zoo(found: Import) -> bool:
    if not inside(found.importer, "colorzoo.zoo") or found.importer == "colorzoo.zoo":
        return False
    folder, _, module = found.importer.removeprefix("colorzoo.zoo.").partition(".")
    if inside(found.name, "colorzoo.zoo") and found.name != "colorzoo.zoo":
        return not inside(found.name, f"colorzoo.zoo.{folder}")
    light = module in ("", "card")  # the package and its card are imported to list models
    return light and (inside(found.name, *HEAVY) or inside(found.name, *ours("tasks", "networks")))


def test_the_package_keeps_its_import_rules() -> None:
    assert len(read_imports(ROOT)) > 20  # a wrong root would find nothing to complain about
    assert [str(found) for found in violations(ROOT)] == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("color/lab.py", "import lightning"),
        ("losses/smooth.py", "from lightning.pytorch import Trainer"),
        ("metrics/psnr.py", "from ..tasks import base"),
        ("guidance/__init__.py", "from .. import data"),
        ("networks/unet.py", "def f():\n    from colorzoo.inference import colorizer"),
        ("data/folder.py", "from colorzoo import networks"),
        ("tasks/base.py", "import colorzoo.cli.main"),
        ("cli/fit.py", "from colorzoo.zoo.one.task import Task"),
        ("evaluation/methods.py", "import colorzoo.zoo.one.task"),
        ("users/points.py", "from colorzoo.tasks import base"),
        ("inference/colorizer.py", "import importlib\nimportlib.import_module('colorzoo.zoo.one')"),
        ("inference/read.py", "from colorzoo.video.planes import to_rgb"),
        ("video/run.py", "import colorzoo.cli.colorize"),
        ("video/painter.py", "from colorzoo.zoo.one import task"),
        ("zoo/one/network.py", "from ..two import network"),
        ("zoo/one/task.py", "import colorzoo.zoo.two.task"),
        ("zoo/one/card.py", "import torch.nn"),
        ("zoo/one/__init__.py", "from colorzoo.tasks import base"),
        ("card.py", "import kornia"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, line: str) -> None:
    plant(tmp_path, file, line)
    assert violations(tmp_path / "colorzoo")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("zoo/one/task.py", "from .network import Net\nimport lightning\nfrom colorzoo.tasks import base"),
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
