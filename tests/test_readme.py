"""The Python blocks and commands of README run, and its links exist."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from tiny_model import gray_image

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files that README names."""
    (tmp_path / "album").mkdir()
    for name in ("old.jpg", "sketch.jpg", "album/one.jpg"):
        Image.fromarray(gray_image(160, 200)).save(tmp_path / name)
    colored = Image.merge("RGB", [Image.fromarray(gray_image(160, 200) // part) for part in (1, 2, 3)])
    for name in ("sunset.jpg", "photo.jpg"):
        colored.save(tmp_path / name)
    (tmp_path / "hints.json").write_text('{"points": [{"x": 20, "y": 30, "color": "#c04020"}]}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_readme_python_blocks_run(folder: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(block, "README.md", "exec"), {})
    assert (folder / "old.color.jpg").is_file()


COMMANDS = re.findall(r"`(colorzoo (?:colorize|stylize) [^`]+)`", README)


@pytest.mark.parametrize(
    "command", [*COMMANDS[:3], *(pytest.param(each, marks=pytest.mark.nightly) for each in COMMANDS[3:])]
)
def test_readme_commands_run(command: str, folder: Path) -> None:
    before = len(list(folder.rglob("*.jpg")))
    assert main(shlex.split(command)[1:]) == 0
    assert len(list(folder.rglob("*.jpg"))) == before + 1


def test_readme_links_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
