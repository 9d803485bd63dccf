"""``colorzoo new-paper``: write a working template for the implementation of a paper."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from colorzoo.apps.cli._options import Command
from colorzoo.errors import ColorzooError
from colorzoo.files import check_outputs, write_atomic
from colorzoo.options import argument, option
from colorzoo.registry import list_models

HELP = "write template files for a new paper: card, model, task, configuration, page and tests"
EXAMPLE = """
colorzoo new-paper smith2030
colorzoo new-paper smith2030 --guidance exemplar --kind gan
colorzoo new-paper smith2030 --zoo
"""

_TEMPLATE_NAME = "toy2030"
_TEST = f"test_{_TEMPLATE_NAME}.py"
_NAME = re.compile(r"[a-z][a-z_]*(?P<year>\d{4})[a-z0-9_]*")
_ZOO = Path("src/colorzoo/zoo")
_MODULES = ("__init__.py", "card.py", "model.py", "task.py", "README.md")
_CHANNELS = {"none": 0, "points": 3, "exemplar": 2, "text": 4}  # input channels of the guidance
_CONTENTS = {
    "none": "lightness",
    "points": "lightness and points",
    "exemplar": "lightness and the mean color of a reference",
    "text": "lightness and the color words of a text",
}
# channels of the template network, rows of its word embedding, and number of its color symbols
_WIDTH, _WORDS, _SYMBOLS = 8, 12, 313
Guidance = Literal["none", "points", "exemplar", "text"]
Kind = Literal["regression", "gan", "sampler", "symbols"]


@dataclass(frozen=True, kw_only=True)
class NewPaperOptions:
    """Options of ``colorzoo new-paper``."""

    name: str = argument("author and year, such as smith2030", "NAME")
    zoo: bool = option(
        False, "add the paper to the colorzoo checkout in the current folder instead of creating a package"
    )
    guidance: Guidance = option("points", "guidance that the model accepts")
    kind: Kind = option(
        "regression",
        "predict colors (regression), train them with a discriminator (gan), sample them by diffusion "
        "(sampler), or sample color symbols one by one (symbols)",
    )


def run(args: NewPaperOptions) -> int:
    """Write the template files for a new paper, and print their paths and the next step.

    Raises:
        ColorzooError: The name is invalid or already used, or a file already exists.
    """
    contents = paper_files(args.name, zoo=args.zoo, guidance=args.guidance, kind=args.kind)
    if args.zoo and not _ZOO.is_dir():
        raise ColorzooError(
            f"--zoo requires the folder {_ZOO}. Run the command in the root of a colorzoo checkout."
        )
    check_outputs(contents, overwrite=False)
    for path, text in contents.items():
        write_atomic(path, text.encode())
        print(path)
    if args.zoo:
        print(f'Next: python -m pytest -k {args.name} -m ""')
        print("Then add a file to changes/ (docs/contributing.md)")
    else:
        print(f"Next: python -m pip install -e ./{args.name} && python -m pytest {args.name}")
    return 0


def paper_files(
    name: str, *, zoo: bool, guidance: Guidance = "points", kind: Kind = "regression"
) -> dict[Path, str]:
    """Return the template files for a new paper without writing the files.

    Args:
        name: Author and year, such as ``smith2030``. The model and the package have this name.
        zoo: Whether to add the paper to a colorzoo checkout instead of creating a package.
        guidance: Guidance that the model accepts.
        kind: Training with a color loss, against a discriminator, as a diffusion model, or as a model of
            color symbols.

    Returns:
        Dict that maps file paths, relative to the current folder, to file contents.

    Raises:
        ColorzooError: The name is invalid or already used.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only this command needs it

    match = _NAME.fullmatch(name)
    if match is None:
        raise ColorzooError(
            f"NAME must consist of an author and a year (for example smith2030), got {name!r}"
        )
    if name in list_models():
        raise ColorzooError(f"model {name} already exists. Choose another NAME.")
    package = f"colorzoo.zoo.{name}" if zoo else name
    # the path of each file, by template name
    folder = _ZOO / name if zoo else Path(name, name)
    paths = {module: folder / module for module in _MODULES}
    if zoo:
        paths["tiny.yaml"] = Path("configs", name, "tiny.yaml")
        paths[_TEST] = Path("tests/zoo", f"test_{name}.py")
    else:
        paths["tiny.yaml"] = folder / "tiny.yaml"  # inside the package, so that a wheel contains it
        paths["pyproject.toml"] = Path(name, "pyproject.toml")
        paths["test_contract.py"] = Path(name, "test_contract.py")
        paths[_TEST] = Path(name, f"test_{name}.py")
    # fill in each template, and replace its name, package and year
    templates = Environment(
        loader=PackageLoader("colorzoo.apps.cli", "paper_template"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    channels = 1 + _CHANNELS[guidance] + (3 if kind == "sampler" else 0)  # noisy colors and their level
    parameters = (9 * channels + 1) * _WIDTH  # of the first convolution
    if kind == "symbols":
        parameters += _SYMBOLS * _WIDTH + (3 * _WIDTH + 1) * _WIDTH + (_WIDTH + 1) * _SYMBOLS
    else:
        parameters += (9 * _WIDTH + 1) * 2
    if guidance == "text":
        parameters += _WORDS * _CHANNELS["text"]
    class_name = "".join(part.capitalize() for part in name.split("_"))
    contents = {}
    for file, path in paths.items():
        template = {"task.py": f"task_{kind}.py", _TEST: f"test_{kind}.py"}.get(file, file)
        if kind == "symbols" and file == "model.py":
            template = "model_symbols.py"
        text = templates.get_template(f"{template}.txt").render(
            guidance=guidance, kind=kind, channels=channels, parameters=parameters, contents=_CONTENTS
        )
        text = re.sub(rf"\b{_TEMPLATE_NAME}(?=\.(task|model|card)\b)", package, text)
        if name != _TEMPLATE_NAME:
            text = text.replace(_TEMPLATE_NAME, name).replace(_TEMPLATE_NAME.capitalize(), class_name)
            text = text.replace("2030", match["year"])
        contents[path] = text
    return contents


COMMANDS = {"": Command(HELP, EXAMPLE, NewPaperOptions, run)}
