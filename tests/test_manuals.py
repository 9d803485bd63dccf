"""Every command and code block of every page is what colorzoo understands; blocks that need no files run."""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import re
import shlex
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from colorzoo.cli.main import _LIGHTNING_VERBS, _joined, _verb_parser, find_verb
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.settings import setting_groups
from colorzoo.training.configs import find_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("src/colorzoo/zoo/*/README.md")]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(colorzoo [a-z-]+ [^`]+)`")
# stands for something else, or for a part that the reader knows
OPEN = re.compile(r"\.\.\.|\bVERB\b|[A-Z]+\|")
NAMED = re.compile(r"[a-z -]+")  # a verb or an option that is only named
FILES = re.compile(r"\.(jpg|png|json|csv|mp4|yaml|ckpt|safetensors|npz|look)\b|path/to|data\b|album")


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
    if words[0] in _LIGHTNING_VERBS:
        configs = [words[i + 1] for i, word in enumerate(words) if word == "--config"]
        assert all(find_config(name).is_file() for name in map(Path, configs) if name.parts[0] == "configs")
        return
    verb = find_verb(words[0])
    assert verb is not None, page
    with suppress(SystemExit):  # of --help; a wrong command is a ColorzooError
        _verb_parser(verb).parse_args(_joined(words[1:]))


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


@pytest.mark.parametrize("page", sorted({page for page, _ in blocks("python")}))
def test_python_blocks_compile_and_name_nothing_unknown(page: str) -> None:
    known = set(dir(builtins))
    for text in [text for each, text in blocks("python") if each == page]:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                known |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                known.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                known.add(node.name)
            elif isinstance(node, ast.arg):
                known.add(node.arg)
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        assert used <= known, f"{page} uses {used - known} without import"


@pytest.mark.parametrize(
    ("page", "text"),
    [(page, text) for page, text in blocks("python") if not FILES.search(text) and "toy2030" not in text],
)
def test_python_blocks_without_files_run(
    page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "class " not in text:  # those of docs/paper.md are run by tests/test_throwaway_paper.py
        exec(compile(text, page, "exec"), {})
