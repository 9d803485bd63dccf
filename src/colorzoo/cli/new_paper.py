"""``colorzoo new-paper``: write the folder of a paper that works, to be filled with the real one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from colorzoo.cli._options import Command
from colorzoo.errors import ColorzooError
from colorzoo.registry import list_models
from colorzoo.settings import argument, option

HELP = "write the files of a new paper: card, model, task, configuration, page and tests"
EXAMPLE = """
colorzoo new-paper smith2030
colorzoo new-paper smith2030 --gan
colorzoo new-paper smith2030 --zoo
"""

_TEMPLATE_NAME = "toy2030"
_NAME = re.compile(r"[a-z][a-z_]*(?P<year>\d{4})[a-z0-9_]*")
_ZOO = Path("src/colorzoo/zoo")
_MODULES = ("__init__.py", "card.py", "model.py", "task.py", "README.md")
_TEMPLATES = "paper_template"


@dataclass(frozen=True, kw_only=True)
class NewPaperOptions:
    """Options of ``colorzoo new-paper``."""

    name: str = argument("author and year, such as smith2030", "NAME")
    zoo: bool = option(False, "write into the checkout of colorzoo in this folder, not into a new package")
    gan: bool = option(
        False, "begin with a generator and a discriminator: gradient penalty, class head, frozen teacher"
    )


def run(args: NewPaperOptions) -> int:
    """Write the files.

    Raises:
        ColorzooError: The name is taken or no name of a paper, a file exists, or none can be written.
    """
    contents = paper_files(args.name, zoo=args.zoo, gan=args.gan)
    if args.zoo and not _ZOO.is_dir():
        raise ColorzooError(f"--zoo: {_ZOO} is not here; run it in the root of a checkout of colorzoo")
    for path in contents:
        if path.exists():
            raise ColorzooError(f"{path} exists already; choose another name or remove it")
    for path, text in contents.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ColorzooError(f"{path} cannot be written: {error.strerror or error}") from error
        print(path)
    print(_next_steps(args.name, args.zoo))
    return 0


def paper_files(name: str, *, zoo: bool, gan: bool = False) -> dict[Path, str]:
    """Return the files of a new paper.

    Args:
        name: Author and year; the name of the model and of its package.
        zoo: Whether they belong into a checkout of colorzoo, or make a package of their own.
        gan: Whether it is trained against a discriminator.

    Returns:
        Their content by path, relative to the current folder.

    Raises:
        ColorzooError: The name is taken, or has another form.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ColorzooError(f"{name!r} is no name of a paper; expected author and year, such as smith2030")
    if name in list_models():
        raise ColorzooError(f"{name} is a model already; choose another name")
    test = f"test_{_TEMPLATE_NAME}.py"
    if zoo:
        places = {module: _ZOO / name / module for module in _MODULES}
        places |= {
            "tiny.yaml": Path("configs", name, "tiny.yaml"),
            "knobs.py": Path("tests/knobs", f"{name}.py"),
            "recipe.py": Path("tests/training_recipes", f"{name}.py"),
            test: Path("tests/zoo", f"test_{name}.py"),
        }
    else:
        # the configuration lies inside, so that a wheel has it
        places = {file: Path(name, name, file) for file in (*_MODULES, "tiny.yaml")}
        places |= {file: Path(name, file) for file in ("pyproject.toml", "test_contract.py")}
        places[test] = Path(name, f"test_{name}.py")
    package = f"colorzoo.zoo.{name}" if zoo else name
    return {
        path: _filled(_template(file, gan), name, package, match["year"]) for file, path in places.items()
    }


def _template(file: str, gan: bool) -> str:
    """Return the text of a template: the one for a discriminator where there is one."""
    folder = files("colorzoo.cli") / _TEMPLATES
    own = folder / "gan" / f"{file}.txt"
    return (own if gan and own.is_file() else folder / f"{file}.txt").read_text(encoding="utf-8")


def _filled(text: str, name: str, package: str, year: str) -> str:
    """Return a template for another name, package and year."""
    text = re.sub(rf"\b{_TEMPLATE_NAME}(?=\.(task|model|card)\b)", package, text)
    if name == _TEMPLATE_NAME:
        return text
    kind = "".join(part.capitalize() for part in name.split("_"))
    return text.replace(_TEMPLATE_NAME, name).replace(_TEMPLATE_NAME.capitalize(), kind).replace("2030", year)


def _next_steps(name: str, zoo: bool) -> str:
    if zoo:
        return f"Now: python -m pytest -k {name}, and a line in changes/ (docs/contributing.md)"
    return f"Now: python -m pip install -e ./{name} && python -m pytest {name}"


COMMANDS = {"": Command(HELP, EXAMPLE, NewPaperOptions, run)}
