"""The command line parses every command of every page, and the Python blocks of the pages run."""

from __future__ import annotations

import json
import re
import shlex
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.cli.main import LIGHTNING_VERBS, VERBS, find_command
from colorzoo.training.configs import find_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/colorzoo/zoo/*/README.md")]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(colorzoo [a-z-]+ [^`]+)`")
OPEN = re.compile(r"\.\.\.|\bVERB\b|[A-Z]+\|")  # contains a placeholder that is not an argument
NAMED = re.compile(r"[a-z -]+")  # only names a verb or an option
# test_readme.py, test_tour.py, test_subclasses.py, test_new_paper.py and test_parity.py run these blocks; the
# others need Ray, a server or a report
NOT_RUN = re.compile(
    r"README\.md|docs/tour\.md|toy2030\.model|toy2030_loss|import Mine|import requests|sys\.argv|report/"
)


def commands(text: str) -> list[str]:
    """Return all commands of colorzoo in a page, in blocks and in running text."""
    lines = "\n".join(block for kind, block in BLOCK.findall(text) if kind in ("bash", "sh", "console"))
    spans = [span for span in SPAN.findall(BLOCK.sub("", text)) if not NAMED.fullmatch(span)]
    parts = [
        part.strip()
        for line in [*lines.replace("\\\n", " ").splitlines(), *spans]
        for part in re.split(r"\s&&\s|\s\|\s", line)
    ]
    return [part for part in parts if part.startswith("colorzoo ") and not OPEN.search(part)]


def test_commands_of_documentation_pages_are_parsed() -> None:
    for page in PAGES:
        for command in commands(page.read_text(encoding="utf-8")):
            words = shlex.split(command, comments=True)[1:]
            if words[0] in LIGHTNING_VERBS:
                configs = [Path(words[i + 1]) for i, word in enumerate(words) if word == "--config"]
                assert all(find_config(name).is_file() for name in configs if name.parts[0] == "configs")
                continue
            assert words[0] in VERBS, f"{page}: {command}"
            if "--help" not in words:
                name, found, rest = find_command(import_module(VERBS[words[0]]), words)
                found.parse(name, rest)


def python_blocks() -> list[tuple[str, str]]:
    """Return page and text of the Python blocks that this module runs."""
    found = [
        (str(page.relative_to(ROOT)), text)
        for page in sorted(PAGES)
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == "python"
    ]
    return [each for each in found if not NOT_RUN.search("".join(each))]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the files that the pages name, and change to their folder."""
    (tmp_path / "album").mkdir()
    colors = np.random.default_rng(0).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    image = Image.fromarray(colors).resize((160, 120))
    for name in ("photo.jpg", "sunset.jpg", "album/one.jpg"):
        image.save(tmp_path / name)
    image.convert("L").save(tmp_path / "old.jpg")
    hints = {"version": 2, "points": [{"x": 20, "y": 10, "color": "#c04020"}]}
    (tmp_path / "hints.json").write_text(json.dumps(hints), encoding="utf-8")
    body = {"id": (tmp_path / "old.jpg").as_uri(), "type": "Image", "format": "image/jpeg"}
    page = {"items": [{"type": "Annotation", "motivation": "painting", "body": body}]}
    manifest = {"type": "Manifest", "items": [{"type": "Canvas", "items": [page]}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.nightly
@pytest.mark.usefixtures("files")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("page", "text"), python_blocks())
def test_python_blocks_of_documentation_pages_run(page: str, text: str) -> None:
    exec(compile(text, page, "exec"), {"__name__": "__main__"})
