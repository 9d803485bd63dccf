"""Write the source of a tiny paper: the files that docs/paper.md shows."""

import re
from pathlib import Path

PAGE = (Path(__file__).parent.parent / "docs" / "paper.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE, re.DOTALL))
SHOWN = "toy2030"
MODULES = ("card.py", "model.py", "task.py")


def shown(file: str, package: str = SHOWN, name: str = SHOWN) -> str:
    """Return a file of the page, for a package and a model of other names."""
    text = re.sub(rf"\b{SHOWN}(?=\.(task|model|card)\b)", package, FILES[file])
    return re.sub(rf"\b{SHOWN}\b", name, text) if name != SHOWN else text


def write_paper(folder: Path, package: str, name: str) -> None:
    """Write a package of four modules and its README into ``folder``."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""A paper nobody wrote."""\n')
    for module in MODULES:
        (folder / module).write_text(shown(module, package, name))
    (folder / "README.md").write_text(f"# {name}\n\nNothing is known about it.\n")


def install(folder: Path, module: str) -> None:
    """Write the metadata that pip would install for a package with cards in a module."""
    info = folder / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[colorzoo.models]\nthird = {module}:CARDS\n")


def write_config(configs: Path, package: str, name: str) -> Path:
    """Write the training configuration that the card names, and return its path."""
    path = configs / name / "tiny.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(shown("tiny.yaml", package, name))
    return path
