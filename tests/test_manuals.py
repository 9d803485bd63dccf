"""Every command and code block of every page is what colorzoo understands; those that are quick run."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
import yaml
from PIL import Image

from colorzoo.cli.main import LIGHTNING_VERBS, find_command, find_verb, main
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.settings import setting_groups
from colorzoo.training.configs import find_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/colorzoo/zoo/*/README.md")]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(colorzoo [a-z-]+ [^`]+)`")
# stands for something else, or for a part that the reader knows
OPEN = re.compile(r"\.\.\.|\bVERB\b|[A-Z]+\|")
NAMED = re.compile(r"[a-z -]+")  # a verb or an option that is only named
# README.md, the tour and the pages of models and of a new paper are run by tests of their own
RUN_ELSEWHERE = re.compile(r"README\.md|docs/(index|paper)\.md")
NOT_RUN = re.compile(r"sys\.argv|report/")  # these need another program, or a report


def blocks(*kinds: str) -> list[tuple[str, str]]:
    """Return page and text of all blocks of these languages."""
    return [
        (str(page.relative_to(ROOT)), text)
        for page in sorted(PAGES)
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind in kinds
    ]


def commands() -> list[tuple[str, str]]:
    """Return page and text of all commands of colorzoo, in blocks and in running text."""
    found = []
    for page in sorted(PAGES):
        text = page.read_text(encoding="utf-8")
        lines = "\n".join(block for kind, block in BLOCK.findall(text) if kind in ("bash", "sh", "console"))
        joined = lines.replace("\\\n", " ").splitlines()
        spans = [span for span in SPAN.findall(BLOCK.sub("", text)) if not NAMED.fullmatch(span)]
        found += [
            (str(page.relative_to(ROOT)), command.strip())
            for line in [*joined, *spans]
            for command in re.split(r"\s&&\s|\s\|\s", line)
            if command.strip().startswith("colorzoo ") and not OPEN.search(command)
        ]
    return sorted(set(found))


def settings_of_tasks() -> set[str]:
    """Return what may follow ``--model.`` of some model, such as ``objective.uniform``."""
    found = set()
    for task in {load_task_class(model_card(name)) for name in list_models()}:
        found |= set(inspect.signature(task.__init__).parameters)
        for kind in task.__mro__[:-1]:
            found |= set(getattr(kind, "__annotations__", {}))
        for group, dataclass in setting_groups(task).items():
            found |= {f"{group}.{field}" for field in dataclass.__dataclass_fields__}
    return found | {"optimizer", "lr_scheduler", "stage", "start", "accumulate", "clip"}


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_is_understood(page: str, command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    if words[0] in LIGHTNING_VERBS:
        configs = [words[i + 1] for i, word in enumerate(words) if word == "--config"]
        assert all(find_config(name).is_file() for name in map(Path, configs) if name.parts[0] == "configs")
        return
    verb = find_verb(words[0])
    assert verb is not None, page
    if "--help" not in words:
        name, found, rest = find_command(verb, words)
        found.parse(name, rest)


def test_settings_of_models_have_their_group() -> None:
    known = settings_of_tasks()
    for page in PAGES:
        for name in re.findall(r"--model\.([a-z_.]+)", page.read_text(encoding="utf-8")):
            fits = name in known or name.split(".")[0] in ("optimizer", "lr_scheduler", "start", "init_args")
            assert fits or name.startswith(("discriminator_",)), f"{page}: --model.{name}"


@pytest.mark.parametrize(("page", "text"), blocks("json", "yaml", "toml"))
def test_data_blocks_are_read(page: str, text: str) -> None:
    kind = next(kind for kind, block in BLOCK.findall((ROOT / page).read_text()) if block == text)
    read = {"json": json.loads, "yaml": yaml.safe_load, "toml": tomllib.loads}[kind]
    if "..." not in text:
        read(text)


def runnable() -> list[tuple[str, str]]:
    """Return page and text of the Python blocks that this module runs."""
    found = [each for each in blocks("python") if not RUN_ELSEWHERE.search(each[0])]
    return [(page, text) for page, text in found if not NOT_RUN.search(text)]


QUICK = ("colorize", "stylize", "segment")
# folders of the reader, placeholders, and programs or weights that are not here
NOT_HERE = re.compile(r"[A-Z]{3}|[{}]|masters/|--from|--weights|--engine|docs/images")


def quick_commands() -> list[str]:
    """Return the commands of one picture with models that ship inside the package, each once."""
    inside = {name for name in list_models() if any(each.file for each in model_card(name).weights.values())}
    found = set()
    for page, command in commands():
        words = shlex.split(re.sub(r"\s#.*", "", command))
        model = words[words.index("--model") + 1] if "--model" in words else "colorzoo2026"
        if words[1] in QUICK and model in inside and page not in ("README.md", "docs/index.md"):
            found.add(shlex.join(words).replace("photo.jpg", "old.jpg"))
    return sorted(each for each in found if not NOT_HERE.search(each))


def make_inputs(words: list[str]) -> None:
    """Make the files that a command names and that are no results."""
    for option, word in zip(["", *words], words, strict=False):
        if option in ("-o", "--labels") or not re.search(r"/$|\.(jpg|png|json)$", word):
            continue
        path = Path(word, "one.jpg") if word.endswith("/") else Path(word)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            path.write_text('{"version": 2}', encoding="utf-8")
        elif "labels" in word:
            Image.fromarray(np.full((96, 128), 3, np.uint8)).save(path)
        else:
            colors = np.random.default_rng(len(word)).integers(0, 255, (3, 4, 3), dtype=np.uint8)
            Image.fromarray(colors).resize((128, 96)).save(path)


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", quick_commands())
def test_quick_commands_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command.replace("120,40,200,310", "12,4,20,31").replace("400,60,80,90", "40,6,8,9"))
    make_inputs(words)
    before = set(tmp_path.rglob("*"))
    assert main(words[1:]) == 0
    made = set(tmp_path.rglob("*")) - before
    assert any(path.is_file() for path in made) or "--overwrite" in words


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the files that the manuals name, and work in their folder."""
    (tmp_path / "album").mkdir()
    colors = np.random.default_rng(0).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    picture = Image.fromarray(colors).resize((160, 120))
    for name in ("photo.jpg", "sunset.jpg", "album/one.jpg"):
        picture.save(tmp_path / name)
    picture.convert("L").save(tmp_path / "old.jpg")
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
@pytest.mark.parametrize(("page", "text"), runnable())
def test_python_blocks_run(page: str, text: str) -> None:
    exec(compile(text, page, "exec"), {"__name__": "__main__"})
    if page == "docs/archive.md":  # the manifest offers the original and the result
        (page_of_canvas,) = json.loads(Path("manifest.color.json").read_text())["items"][0]["items"]
        gray, color = page_of_canvas["items"][0]["body"]["items"]
        assert [Path(unquote(urlparse(each["id"]).path)).name for each in (gray, color)] == [
            "old.jpg",
            "old.color.jpg",
        ]
        assert Path("old.color.jpg").is_file()
