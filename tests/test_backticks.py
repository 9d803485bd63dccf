"""What stands in backticks on a page and looks like a path, an option or a name of ours exists."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import colorzoo
from colorzoo.cli.main import LIGHTNING_VERBS, all_verbs, find_verb, verb_parser
from colorzoo.registry import all_cards

ROOT = Path(__file__).parents[1]
SOURCE = Path(colorzoo.__path__[0])
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *SOURCE.glob("**/*.md")])
HISTORY = {"CHANGELOG.md"}  # names of the past
SPAN = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# a user's own, or a part of a name
OPEN = re.compile(r"[A-Z]{2,}|\.\.\.|[*<>{}$~]|toy2030|smith2030|\s")
FOLDERS = (
    "src/",
    "docs/",
    "configs/",
    "tests/",
    "benchmarks/",
    "notebooks/",
    ".ci/",
    ".github/",
    "colorzoo/",
)
OPTION = re.compile(r"--[a-z][\w-]*")
OF_LIGHTNING = ("--model", "--data", "--trainer")
OF_OTHERS = {  # programs that pages name: pip, pytest, torchrun, wandb, mkdocs, srun
    *("--extra-index-url", "--index-url", "--dist", "--no-package-lock", "--nproc-per-node", "--signal"),
}


def spans(page: Path) -> Iterator[str]:
    """Yield what stands in backticks in the running text of a page."""
    yield from SPAN.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))


@cache
def options() -> frozenset[str]:
    """Return the options of all verbs and of the modules that `python -m` runs."""
    verbs = [verb for name in all_verbs() if (verb := find_verb(name)) is not None]
    texts = [verb_parser(verb).format_help() for verb in verbs]
    # subcommands and modules of their own, by their source
    files = [*SOURCE.glob("cli/*.py"), *SOURCE.glob("training/*.py"), *ROOT.glob("benchmarks/**/*.py")]
    files += [*ROOT.glob("docs/models/*.py"), *SOURCE.glob("zoo/*/*.py"), *ROOT.glob("tests/*.py")]
    texts += [path.read_text(encoding="utf-8") for path in files if path.name != Path(__file__).name]
    found = {option for text in texts for option in OPTION.findall(text)}
    return frozenset(found | {"--config", "--ckpt_path", "--print_config", "--seed_everything"} | OF_OTHERS)


def is_path(span: str) -> bool:
    """Return whether a span names a file or folder of the project."""
    if OPEN.search(span) or span.startswith(("http", "/")) or ":" in span:
        return False
    return (
        span.startswith(FOLDERS) or re.fullmatch(r"[\w-]+/[\w/-]+\.(yaml|py|md|json|npz)", span) is not None
    )


def exists(span: str, page: Path) -> bool:
    """Return whether a path exists: in the checkout, the package, `configs/`, or beside the page."""
    relative = span.removeprefix("colorzoo/")
    places = (ROOT, SOURCE, ROOT / "configs", ROOT / "tests", page.parent)
    return any((place / each).exists() for place in places for each in (span, relative))


def resolves(name: str) -> bool:
    """Return whether a dotted name can be imported, as a module or as an attribute of one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            known = (
                getattr(found, "__annotations__", {}).keys()
                | getattr(found, "__dataclass_fields__", {}).keys()
            )
            if not hasattr(found, part):
                return part in known
            found = getattr(found, part)
        return True
    return False


def models() -> frozenset[str]:
    """Return everything that names a model: names, aliases, folders of the zoo and of configurations."""
    cards = all_cards().values()
    names = {name for card in cards for name in (card.name, *card.aliases)}
    folders = {path.name for place in (SOURCE / "zoo", ROOT / "configs") for path in place.iterdir()}
    stems = {path.stem for path in (ROOT / "configs").rglob("*.yaml")}
    return frozenset(names | folders | stems | {name.removesuffix("_small") for name in names})


def page_id(path: Path) -> str:
    """Return a name for a page; the package may be installed elsewhere."""
    if path.is_relative_to(SOURCE):
        return path.relative_to(SOURCE.parent).as_posix()
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [path for path in PAGES if path.name not in HISTORY], ids=page_id)
def test_what_looks_like_ours_exists(path: Path) -> None:
    wrong = []
    for span in spans(path):
        if is_path(span) and not exists(span, path):
            wrong.append(f"no file {span}")
        for option in OPTION.findall(span) if re.match(r"(--|colorzoo )", span) else ():
            if option not in options() and not option.startswith(OF_LIGHTNING):
                wrong.append(f"no option {option}")
        dotted = re.fullmatch(r"colorzoo(\.\w+)+", span)
        if dotted and not OPEN.search(span) and not span.endswith(".json") and not resolves(span):
            wrong.append(f"no name {span}")
        year = re.fullmatch(r"(?!train|val)[a-z]+(19|20)\d\d\w*", span)
        if year and not OPEN.search(span) and span not in models():
            wrong.append(f"no model {span}")
        verb = re.match(r"colorzoo ([a-z][\w-]*)", span)
        if verb and verb[1] not in {*all_verbs(), *LIGHTNING_VERBS}:
            wrong.append(f"no verb {verb[1]}")
    assert not wrong, "; ".join(wrong)


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`src/colorzoo/gone.py` `--no-such-option` `colorzoo.nothing` `nobody2031` `colorzoo paint x`",
        "utf-8",
    )
    with pytest.raises(AssertionError) as caught:
        test_what_looks_like_ours_exists(page)
    for part in (
        "no file src/",
        "no option --no-such",
        "no name colorzoo.n",
        "no model nobody",
        "no verb paint",
    ):
        assert part in str(caught.value)
